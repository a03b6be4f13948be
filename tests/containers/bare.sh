#!/usr/bin/env bash
# `make run` and `make test` in bare images of Python: a fresh clone of HEAD, make and git, an empty cache of pip.
# There is no `ps`, no Redis and no browser.
#   tests/containers/bare.sh [IMAGE ...]     python:3.13-slim and python:3.14-slim by default; needs a Docker engine
#   TARGETS="run test-all"                   the targets of make, "run test" by default
. "$(dirname "${BASH_SOURCE[0]}")/fresh.sh"

[ $# -gt 0 ] || set -- python:3.13-slim python:3.14-slim
for image in "$@"; do
  open_clone "$image" make git || continue
  docker exec "$container" sh -c 'for tool in ps redis-server valkey-server chromium firefox; do
    ! command -v $tool || { echo "this image has $tool: not bare" >&2; exit 1; }; done'
  say "$image: $(docker exec "$container" python3 --version), no ps, no Redis, no browser, first process: $(docker exec "$container" cat /proc/1/comm)"
  # `install` first, so that the seconds of the others are their own.
  for target in install ${TARGETS:-run test}; do
    step make "$target" || break
  done
  clean_up
done
in_short
