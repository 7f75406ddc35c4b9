# The example backend. `docker build --tag app .`; with other base images: `--build-arg BUILD_IMAGE=… --build-arg RUN_IMAGE=…`.
ARG BUILD_IMAGE=rust:1-slim-bookworm
ARG RUN_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
# The build script refuses migrations that are not in order, or not locked: such an image is never made.
RUN cargo build --release --locked --package app

FROM ${RUN_IMAGE}
# For TLS to a database whose certificate a public authority has signed; slim images come without.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/app /usr/local/bin/app
# Nobody in particular, and not root.
USER 10001:10001
ENV LISTEN_ADDR=0.0.0.0:8080
EXPOSE 8080
# The program asks itself: there is no curl in here. While it is degraded it is unhealthy, and says why.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["app", "health"]
ENTRYPOINT ["app"]
CMD ["serve"]
