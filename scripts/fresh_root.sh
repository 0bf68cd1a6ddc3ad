# Source me: a minimal Debian in a folder, made from this machine's mirrors, and commands inside it.

# Says why no root can be made here; nothing where one can.
no_fresh_root() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "only root may make one"
  elif ! command -v mmdebstrap >/dev/null; then
    echo "mmdebstrap is missing; apt-get install mmdebstrap"
  elif ! unshare --mount --pid --fork true 2>/dev/null; then
    echo "mounting is not permitted"
  fi
}

# The mirrors of Debian that this machine's apt uses, as lines of a sources.list.
debian_sources() {
  local line='deb $(REPO_URI) $(RELEASE) $(COMPONENT)'
  apt-get indextargets --format "$line" 'Identifier: Packages' 'Origin: Debian'
}

# What this machine's apt needs to reach them: proxies, and whether dates are checked.
apt_transport() {
  apt-config dump --format '%F "%v";%n' | grep -E '^Acquire::(https?::|Retries|Check-)' || true
}

# make_fresh_root FOLDER: what Debian calls minbase, and apt.
make_fresh_root() {
  apt_transport >"$1.apt"
  debian_sources | mmdebstrap --quiet --mode=root --variant=minbase --aptopt="$1.apt" "" "$1" -
  rm "$1.apt"
  cp /etc/resolv.conf /etc/hosts "$1/etc/"
}

# in_fresh_root FOLDER COMMAND...: runs it there, with nothing of this machine's environment but proxies. Its processes
# end with it.
in_fresh_root() {
  local folder=$1 proxies
  shift
  mapfile -t proxies < <(env | grep -iE '^(https?|no)_proxy=' || true)
  unshare --mount --pid --fork --kill-child bash -euc '
    mount --rbind /dev "$0/dev"
    mount -t tmpfs tmpfs "$0/dev/shm"
    mount -t proc proc "$0/proc"
    exec chroot "$0" "$@"' \
    "$folder" env -i "${proxies[@]}" PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}
