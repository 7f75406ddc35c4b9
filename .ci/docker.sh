# The docker engine and the Postgres images that the tests want: sourced by .ci/run, whose
# variables (tmp, root, budget, clients, make_image) and functions (need_root, kill_as_root, die, took) it uses.
# shellcheck shell=bash disable=SC2154

images_pid='' dockerd_pid='' bridge=''

engine_answers() { command -v docker >/dev/null && timeout 30 docker info >/dev/null 2>&1; }

engine() {
  if engine_answers; then
    # testcontainers reads DOCKER_HOST and knows nothing of docker's contexts
    export DOCKER_HOST=${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}')}
    echo "using the engine at $DOCKER_HOST"
  else
    private_engine
  fi
  docker version --format 'client {{.Client.Version}}, server {{.Server.Version}}'
}

# A bridge of its own in every case: docker0 may belong to another engine, or be left from one, and two
# engines would hand out the same addresses on it. From 198.18.0.0/15, set aside for benchmarks, so
# that no real network is hidden. And no iptables: an engine empties docker's chains when it starts,
# also another one's, and leaves its rules when it stops. Published ports work without, by
# docker-proxy, for clients on this machine; containers reach nothing beyond it, and need not.
private_engine() {
  local dir=$tmp/docker net='' routes n i
  need_root 'starting a docker engine'
  unset DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH
  for ((i = 0; i < 256; i++)); do
    n=$((($$ + i) % 256))
    net=198.18.$n
    routes=$(ip -4 route show table all match "$net.0/24"; ip -4 route show table all root "$net.0/24")
    grep -qv '^default' <<<"${routes:-default}" || break
  done
  ((i < 256)) || die 'no free /24 in 198.18.0.0/16 for the private docker engine (look at: ip route)'
  bridge=stwci$$
  "${root[@]}" ip link add "$bridge" type bridge
  "${root[@]}" ip addr add "$net.1/24" dev "$bridge"
  "${root[@]}" ip link set "$bridge" up
  mkdir -p "$dir"
  echo '{}' >"$dir/daemon.json"   # not the machine's settings, which may contradict the options here
  # The namespaces keep it apart from the engine of a containerd that is already there.
  "${root[@]}" setsid dockerd --config-file="$dir/daemon.json" --host="unix://$dir/docker.sock" --group="$(id -gn)" \
    --data-root="$dir/data" --exec-root="$dir/exec" --pidfile="$dir/pid" \
    --containerd-namespace=stairwell-ci --containerd-plugins-namespace=stairwell-ci-plugins \
    --bridge="$bridge" --iptables=false --ip6tables=false --ip-masq=false --ip-forward=false >"$dir/log" 2>&1 &
  dockerd_pid=$!
  export DOCKER_HOST=unix://$dir/docker.sock
  for ((i = 0; i < 600; i++)); do
    if engine_answers; then echo "started a private engine at $DOCKER_HOST"; return 0; fi
    [[ -d /proc/$dockerd_pid ]] || break
    sleep 0.1
  done
  tail -n 40 "$dir/log" >&2
  die 'the private dockerd does not answer; the end of its log is above'
}

stop_private_engine() {
  [[ -n $bridge ]] || return 0
  local pid i path
  if [[ -n $dockerd_pid && -d /proc/$dockerd_pid ]]; then
    timeout 30 docker ps -aq | timeout 60 xargs -r docker rm -fv >/dev/null
    pid=$(cat "$tmp/docker/pid" 2>/dev/null || echo "$dockerd_pid")   # under sudo, $! is sudo
    kill_as_root "$pid"
    for ((i = 0; i < 300; i++)); do [[ -d /proc/$pid ]] || break; sleep 0.1; done
    [[ ! -d /proc/$pid ]] || kill_as_root -KILL "$pid"
  fi
  # A dockerd that was killed leaves its containerd, the shims, and below these the containers.
  # (The brackets keep grep from finding itself.)
  while IFS=/ read -r _ _ pid _; do
    # shellcheck disable=SC2046  # one word a process
    kill_as_root -KILL $(cat "/proc/$pid/task/"*/children) "$pid"
  done < <(grep -ls "$tmp/docker[/]exec" /proc/[0-9]*/cmdline)
  while read -r path; do "${root[@]}" umount -l "$path"; done < <(
    awk -v dir="$tmp/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
  "${root[@]}" ip link delete "$bridge"
  bridge=''
}

# image VERSION: the one for this version. With PostGIS, as is the one that is made here.
image() {
  if [[ -x $make_image ]]; then echo "postgres:$1-local"; return 0; fi
  case $1 in
    18) echo postgis/postgis:18-3.6 ;;
    *) echo "postgis/postgis:$1-3.5" ;;
  esac
}

# In the background and one after the other: each takes a minute the first time, in which cargo can already build.
start_images() {
  if [[ -x $make_image ]]; then need_root "building the Postgres images ($make_image)"
  else echo "there is no ${make_image#../} beside this checkout: taking PostGIS' images"; fi
  make_images "$@" &
  images_pid=$!
}

make_images() {
  local version start command
  trap - EXIT   # it is not this process that cleans up
  trap 'kill_as_root "$child" 2>/dev/null; exit 143' TERM
  for version; do
    start=$SECONDS
    command=(docker pull --quiet "$(image "$version")")
    if [[ -x $make_image ]]; then command=("${root[@]}" env "DOCKER_HOST=$DOCKER_HOST" "$make_image" "$version")
    elif docker image inspect "$(image "$version")" >/dev/null 2>&1; then command=(echo "$(image "$version") is there already"); fi
    timeout --kill-after=60 "$((budget - SECONDS))" "${command[@]}" >"$tmp/image.$version.log" 2>&1 &
    child=$!
    if wait "$child"; then echo "$((SECONDS - start))" >"$tmp/image.$version.done"
    else echo "exit code $?" >"$tmp/image.$version.failed"; fi
  done
}

# await_image VERSION: until it is there.
await_image() {
  until [[ -e $tmp/image.$1.done || -e $tmp/image.$1.failed ]]; do
    [[ -d /proc/$images_pid ]] || break
    sleep 0.5
  done
  tail -n 40 "$tmp/image.$1.log"
  [[ -e $tmp/image.$1.done ]] ||
    die "no image $(image "$1") ($(cat "$tmp/image.$1.failed" || echo 'its making was stopped')); what its making or pulling said is above"
  took "(the image of Postgres $1, in the background)" "$(cat "$tmp/image.$1.done")"
}

# start_clients VERSION: makes a folder, $clients, with psql and pg_dump as they are in the image. Debian has them of one version only,
# and pg_dump refuses a server that is newer. They see the server that tests started, and files that tests and the checkout have.
start_clients() {
  local program temporary=${TMPDIR:-/tmp}
  clients=$tmp/clients
  mkdir -p "$clients"
  docker run --detach --cidfile "$clients/id" --network host --volume "$temporary:$temporary" --volume "$PWD:$PWD" \
    --entrypoint sleep "$(image "$1")" infinity >/dev/null
  for program in psql pg_dump; do
    cat >"$clients/$program" <<SCRIPT
#!/bin/bash
environment=()
for name in "\${!PG@}"; do environment+=(--env "\$name"); done
export DOCKER_HOST=$DOCKER_HOST
exec docker exec --interactive "\${environment[@]}" $(cat "$clients/id") $program "\$@"
SCRIPT
    chmod +x "$clients/$program"
  done
  "$clients/pg_dump" --version
}

stop_clients() {
  [[ -n $clients ]] || return 0
  docker rm --force "$(cat "$clients/id")" >/dev/null
  rm -r "$clients"
  clients=''
}

stop_images() {
  [[ -n $images_pid && -d /proc/$images_pid ]] || return 0
  kill "$images_pid" 2>/dev/null
  wait "$images_pid"
  echo 'ci: the images, so far:'; tail -n 3 "$tmp"/image.*.log
}
