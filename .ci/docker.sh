# The docker engine and the Postgres image that the tests want: sourced by .ci/run, whose
# variables (tmp, root, budget) and functions (need_root, kill_as_root, die, took) it uses.
# shellcheck shell=bash disable=SC2154

image_pid='' image_start=0 dockerd_pid='' bridge=''

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

# In the background: it takes a minute the first time, in which cargo can already build.
start_image() {
  local make=../shared/docker/make-postgres-image command
  if [[ -x $make ]]; then
    need_root "building the Postgres image ($make)"
    image=postgres:15-local
    command=("${root[@]}" env "DOCKER_HOST=$DOCKER_HOST" "$make" 15)
  else
    image=postgres:17
    echo "there is no ${make#../} beside this checkout: taking the official image $image"
    command=(docker pull --quiet "$image")
    if docker image inspect "$image" >/dev/null 2>&1; then command=(echo "$image is there already"); fi
  fi
  image_start=$(date +%s)
  timeout --kill-after=60 "$((budget - SECONDS))" "${command[@]}" >"$tmp/image.log" 2>&1 &
  image_pid=$!
}

await_image() {
  local rc=0
  wait "$image_pid" || rc=$?
  image_pid=''
  tail -n 40 "$tmp/image.log"
  ((rc == 0)) || die "no image $image (exit code $rc); what its making or pulling said is above"
  took "(the image, in the background)" $(($(stat -c %Y "$tmp/image.log") - image_start))
}

stop_image() {
  [[ -n $image_pid ]] || return 0
  kill_as_root "$image_pid" 2>/dev/null
  wait "$image_pid"
  echo 'ci: the image, so far:'; tail -n 3 "$tmp/image.log"
}
