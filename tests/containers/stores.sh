#!/usr/bin/env bash
# The tests of the store and one of its kills, on the Redis or Valkey of an image: what docs/operators/deployment.md names.
#   tests/containers/stores.sh [IMAGE ...]   the oldest and newest Redis and Valkey by default; needs a Docker engine
. "$(dirname "${BASH_SOURCE[0]}")/fresh.sh"

tests=(tests/integration/test_store_on_redis.py tests/integration/test_embedded_redis.py tests/integration/test_unfit_store.py
  tests/integration/test_kills.py::test_a_store_killed_in_the_middle_keeps_what_it_accepted_and_what_it_owes)

[ $# -gt 0 ] || set -- redis:7.2-bookworm redis:8.0-bookworm valkey/valkey:8
for image in "$@"; do
  open_clone "$image" python3 python3-venv make git || continue
  server=$(docker exec "$container" sh -c 'command -v redis-server || command -v valkey-server')
  say "$image: $(docker exec "$container" "$server" --version), $(docker exec "$container" python3 --version)"
  step make .venv/.installed-tests &&
    step env CARTWATCH_REDIS_SERVER="$server" .venv/bin/pytest "${tests[@]}" || true
  clean_up
done
in_short
