#!/usr/bin/env bash
exec "$(dirname "$0")/../learn.sh" frankfurt "$@"
