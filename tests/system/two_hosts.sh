#!/usr/bin/env bash
# Two hosts where there is one: namespaces with a network and a name each and a link between them, which mpirun takes for
# hosta and hostb. Nothing is left when the command ends. Exit status 77 where namespaces are not permitted.
#
#   two_hosts.sh [--cut FILE] COMMAND...      runs COMMAND on hosta; cuts the link once FILE is there
#   mpirun --host hosta:2,hostb:2 ...         within COMMAND
set -euo pipefail

if [ "${LPL_TWO_HOSTS:-}" != inside ]; then
  apart=(unshare --net --uts --mount --pid --fork --kill-child --mount-proc)
  if ! "${apart[@]}" ip link show lo >/dev/null 2>&1; then
    echo "skipped: no namespaces for two hosts: this user may not make them, or there is no ip (iproute2)" >&2
    exit 77
  fi
  LPL_TWO_HOSTS=inside exec "${apart[@]}" bash "$0" "$@"
fi

cut=
if [ "$1" = --cut ]; then
  cut=$2
  shift 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

unshare --net --uts sleep infinity &
other=$!
while [ "$(readlink "/proc/$other/ns/uts")" = "$(readlink /proc/self/ns/uts)" ]; do sleep 0.05; done
on_other=(nsenter --target "$other" --net --uts)

echo hosta >/proc/sys/kernel/hostname
"${on_other[@]}" sh -c 'echo hostb >/proc/sys/kernel/hostname'
printf '127.0.0.1 localhost\n10.0.0.1 hosta\n10.0.0.2 hostb\n' >"$folder/hosts"
mount --bind "$folder/hosts" /etc/hosts
ip link add link0 type veth peer name link0 netns "$other"
ip addr add 10.0.0.1/24 dev link0
"${on_other[@]}" ip addr add 10.0.0.2/24 dev link0
for host in "" "${on_other[*]}"; do
  $host ip link set lo up
  $host ip link set link0 up
done

# What mpirun starts its daemon on the other host with: agent HOST COMMAND...
printf '#!/bin/sh\nshift\nexec %s sh -c "$*"\n' "${on_other[*]}" >"$folder/agent"
chmod +x "$folder/agent"
mount -t tmpfs tmpfs /dev/shm # an aborted run leaves things there and in the folder of its session
export OMPI_MCA_orte_tmpdir_base=$folder OMPI_MCA_plm_rsh_agent=$folder/agent OMPI_MCA_oob_tcp_if_include=link0 OMPI_MCA_btl_tcp_if_include=link0

if [ -n "$cut" ]; then
  (
    while [ ! -e "$cut" ]; do sleep 0.1; done
    ip link set link0 down
  ) &
fi
status=0
"$@" || status=$?
exit "$status"
