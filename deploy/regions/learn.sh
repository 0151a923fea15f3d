#!/usr/bin/env bash
# learn.sh REGION: beside start.sh, learn from a region's rows. With SWARM_SUPERLINK=HOST:PORT train with the other regions, under
# the SuperLink there, whose ca.crt SWARM_CA names the first time; without it, alone.
cd "$(dirname "$0")/../.." && region=${1:?name the region} && shift
if [ -z "${SWARM_SUPERLINK:-}" ]; then
    exec .venv/bin/swarm learner --regions "$region" "$@"
fi
trap 'exit 143' TERM INT
trap 'kill $(jobs -p); wait' EXIT
.venv/bin/swarm federate join --region "$region" --superlink "$SWARM_SUPERLINK" --paced ${SWARM_CA:+--ca "$SWARM_CA"} "$@" &
.venv/bin/swarm learner --federated --regions "$region" "$@" &
wait -n # whoever started this starts it again
