# Sourced by bare.sh and stores.sh: fresh clones of HEAD in containers, what was run there, and a table at the end.
# A container's first process is no init, so nothing there reaps an orphan; CPUS=1.5 limits its processors.
# An image that is neither here nor to be pulled is said to be NOT RUN, which fails only where ENGINE=1 asks for all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

failed=0
container=
work=$(mktemp -d)
clean_up() {
  [ -z "$container" ] || docker rm --force --volumes "$container" >/dev/null 2>&1 || true
  container=
}
trap 'clean_up; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

[ -z "$(git status --porcelain)" ] || echo "Not committed, so not in the clone:"$'\n'"$(git status --short)" >&2
git bundle create --quiet "$work/clone.bundle" HEAD
: >"$work/table"

say() { echo "$*" | tee -a "$work/table"; }

# open_clone IMAGE PACKAGES: a clone in /cartwatch of a container from IMAGE with Debian's PACKAGES added.
open_clone() {
  local built
  image=$1
  echo "== $image with ${*:2}"
  if ! docker image inspect "$image" >/dev/null 2>&1 && ! docker pull --quiet "$image"; then
    say "$image: NOT RUN, it is neither here nor to be pulled"
    [ "${ENGINE:-}" != 1 ] || failed=1
    return 1
  fi
  built=$(printf '%s\n' "FROM $image" "RUN apt-get update -qq \\
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${*:2} >/dev/null \\
    && rm -rf /var/lib/apt/lists/*" | docker build --quiet --network host -)
  container=$(docker run --detach --network host ${CPUS:+--cpus "$CPUS"} "$built" sleep infinity)
  docker exec --interactive "$container" sh -c 'cat >/tmp/bundle && git clone --quiet /tmp/bundle /cartwatch 2>/dev/null' <"$work/clone.bundle"
}

# step WORDS...: run a command in the clone; how it ended, in how long, and what was skipped go to the table.
step() {
  local begin=$SECONDS result=passed counts
  docker exec --workdir /cartwatch "$container" "$@" >"$work/log" 2>&1 || result=FAILED
  counts=$(sed -n 's/^=* *\([0-9][^=]* in [0-9.]*s\b[^=]*[^= ]\) *=*$/: \1/p' "$work/log" | tail -n 1)
  say "$image: $*: $result in $((SECONDS - begin)) s$counts"
  sed -n 's/^SKIPPED /    skipped: /p' "$work/log" | tee -a "$work/table"
  [ "$result" = passed ] || { failed=1; tail -n 80 "$work/log"; return 1; }
}

in_short() {
  echo "== in short"
  cat "$work/table"
  exit "$failed"
}
