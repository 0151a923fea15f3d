#!/usr/bin/env bash
# Beside start.sh: learn from this region's rows. With SWARM_SUPERLINK=HOST:PORT train with the other regions, under the
# SuperLink there, whose ca.crt SWARM_CA names the first time; without it, alone.
cd "$(dirname "$0")/../../.."
if [ -z "${SWARM_SUPERLINK:-}" ]; then
    exec .venv/bin/swarm learner --regions tokyo "$@"
fi
trap 'exit 143' TERM INT
trap 'kill $(jobs -p); wait' EXIT
.venv/bin/swarm federate join --region tokyo --superlink "$SWARM_SUPERLINK" --paced ${SWARM_CA:+--ca "$SWARM_CA"} "$@" &
.venv/bin/swarm learner --federated --regions tokyo "$@" &
wait -n # whoever started this starts it again
