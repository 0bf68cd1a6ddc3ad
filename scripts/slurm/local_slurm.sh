#!/usr/bin/env bash
# A SLURM of one node on this machine, to try job scripts on: munged, slurmctld and slurmd with their own configuration,
# state and key in FOLDER, reachable through the loopback interface only. Needs root, munge, slurmctld and slurmd.
#
#   local_slurm.sh start FOLDER     then: export SLURM_CONF=FOLDER/slurm.conf; sbatch, srun, squeue
#   local_slurm.sh stop FOLDER
#
# Partition "low" (the default) is preempted by partition "high": its jobs are told to end and requeued.
set -euo pipefail

action=${1:-} folder=$(realpath -m "${2:?which folder?}")
PATH=$PATH:/usr/sbin

configure() {
  local host ports
  host=$(uname -n) host=${host%%.*}
  ports=$(python3 -c 'import socket
a, b = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
print(a.getsockname()[1], b.getsockname()[1])')
  cat >"$folder/slurm.conf" <<EOF
ClusterName=local
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
# A requeued job starts again after the lifetime of its credential.
AuthInfo=socket=$folder/munge.socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=${ports% *}
SlurmdPort=${ports#* }
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=20
SchedulerParameters=sched_interval=2,sched_min_interval=0,bf_interval=2
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 GraceTime=30
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF
EOF
}

start() {
  [ "$(id -u)" -eq 0 ] || { echo "local_slurm.sh: needs root" >&2; exit 1; }
  for program in munged slurmctld slurmd; do
    command -v "$program" >/dev/null || { echo "local_slurm.sh: there is no $program; install munge, slurmctld and slurmd" >&2; exit 1; }
  done
  mkdir -p "$folder"/{state,spool}
  chmod 755 "$folder"
  configure
  (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
  munged --force --key-file "$folder/munge.key" --socket "$folder/munge.socket" --pid-file "$folder/munged.pid" \
    --log-file "$folder/munged.log" --seed-file "$folder/munge.seed"
  export SLURM_CONF=$folder/slurm.conf
  slurmctld
  slurmd
  for _ in $(seq 60); do
    if sinfo --noheader --partition low --format %t 2>/dev/null | grep -qx idle; then return; fi
    sleep 0.5
  done
  echo "local_slurm.sh: the node did not come up; the ends of the logs:" >&2
  tail -n 5 "$folder"/*.log >&2
  stop
  exit 1
}

stop() {
  for daemon in slurmd slurmctld munged; do
    if [ -s "$folder/$daemon.pid" ]; then kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true; fi
  done
}

case $action in
  start) start ;;
  stop) stop ;;
  *) echo "local_slurm.sh: start or stop, not '$action'" >&2; exit 2 ;;
esac
