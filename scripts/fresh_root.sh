# Source me: minimal Debian 12 systems in folders, to try things on a machine that has nothing. Needs root.

fresh_root_suite=bookworm

# Why no such system can be made here; nothing where one can.
why_no_fresh_root() {
  if [ "$(id -u)" -ne 0 ]; then echo "making a root needs to be root"; return; fi
  unshare --mount --pid --fork mount -t proc proc /proc 2>/dev/null || { echo "mounting is not permitted here"; return; }
  "$(dirname "${BASH_SOURCE[0]}")/install_dependencies.sh" fresh >&2 || echo "mmdebstrap cannot be installed"
}

# skip_without_fresh_root WHAT: ends the script, aloud, where no such system can be made.
skip_without_fresh_root() {
  local why
  why=$(why_no_fresh_root)
  if [ -z "$why" ]; then return; fi
  echo "skipped: $1 ($why)"
  exit 0
}

# make_work NAME: `work`, a folder that goes when the script ends.
make_work() {
  work=$(mktemp -d "${TMPDIR:-/tmp}/lpl-$1-XXXXXX")
  trap 'rm -rf --one-file-system "$work"' EXIT
  trap 'exit 1' INT TERM
}

# make_fresh_root FOLDER: from the mirror, and through the proxy, that this machine uses.
make_fresh_root() {
  local sources=() options=() extra=() line
  # On another system mmdebstrap's own choice of a mirror stands.
  if grep -qx "VERSION_CODENAME=$fresh_root_suite" /etc/os-release; then
    mapfile -t sources < <(grep -lsE "(^|[[:space:]])$fresh_root_suite([[:space:]]|$)" /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources})
    if grep -qs https: "${sources[@]}" /dev/null; then extra=(--include=ca-certificates); fi
  fi
  while IFS= read -r line; do options+=("--aptopt=$line"); done < <(apt-config dump Acquire | grep -E '::Proxy|::Check-')
  mmdebstrap --quiet --variant=minbase "${options[@]}" "${extra[@]}" "$fresh_root_suite" "$1" "${sources[@]}" &&
    cp /etc/hosts "$1/etc/hosts"
}

# in_fresh_root FOLDER COMMAND...: runs it there, as root, in /root/lpl where that is. Nothing that it starts or mounts outlives it.
in_fresh_root() {
  unshare --mount --pid --fork --kill-child sh -ec '
    root=$1 && shift
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    exec chroot "$root" sh -c "cd /root/lpl 2>/dev/null || cd /root; exec \"\$@\"" sh "$@"' sh "$1" \
    env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} "${@:2}"
}
