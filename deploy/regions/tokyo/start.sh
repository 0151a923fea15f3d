#!/usr/bin/env bash
cd "$(dirname "$0")/../../.." && set -a && source "${SWARM_ENV:-.swarm/keys/venues.env}" && set +a
exec .venv/bin/swarm node --region tokyo --coordinator "${SWARM_COORDINATOR:-tcp://127.0.0.1:7070}" "$@"
