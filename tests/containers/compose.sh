#!/usr/bin/env bash
# The README's section "In containers", run in a fresh clone of the last commit: every command of it, unchanged, until the
# page has arrived at a receiver and its link is answered by HTTPS. Needs docker, Compose v2, git, curl, openssl, python3.
# Containers, volumes and the clone are removed at the end; KEEP=1 leaves them.
set -euo pipefail

export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-cartwatch-readme}
export CARTWATCH_IMAGE=cartwatch:$COMPOSE_PROJECT_NAME
export CARTWATCH_GATEWAY_PORT=${CARTWATCH_GATEWAY_PORT:-28080} CARTWATCH_REDIS_PORT=${CARTWATCH_REDIS_PORT:-26379}
export CARTWATCH_MLLP_PORTS=${CARTWATCH_MLLP_PORTS:-22575} CARTWATCH_TLS_PORT=${CARTWATCH_TLS_PORT:-28443}
export CARTWATCH_PROMETHEUS_PORT=${CARTWATCH_PROMETHEUS_PORT:-29090}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
phone=$COMPOSE_PROJECT_NAME-phone

step() { printf '%4d s  %s\n' "$SECONDS" "$*" >&2; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

clean() {
  local code=$?
  if [ "$code" -ne 0 ]; then
    docker compose ps --all >&2 || true
    docker compose logs --tail 20 >&2 || true
  fi
  if [ -z "${KEEP:-}" ]; then
    docker rm --force "$phone" >/dev/null 2>&1 || true
    docker compose --profile '*' down --volumes --timeout 5 >/dev/null 2>&1 || true
    docker image rm "$CARTWATCH_IMAGE" >/dev/null 2>&1 || true
    rm -rf "$work"
  fi
  exit "$code"
}

# The numbered block of shell commands of the README's section.
block() {
  awk -v wanted="$1" '/^## /{inside = ($0 == "## In containers")} inside && /^```sh$/{number++; shown = (number == wanted); next}
    /^```$/{shown = 0} shown' README.md
}

run_block() {
  step "README, block $1"
  block "$1" >"$work/block"
  [ -s "$work/block" ] || fail "the README's section has no block $1"
  bash -euo pipefail "$work/block" >"$work/said-$1" 2>&1 || { cat "$work/said-$1" >&2; fail "block $1"; }
}

# `until_true WHAT COMMAND...`: within two minutes.
until_true() {
  local what=$1 last=$((SECONDS + 120))
  shift
  until "$@" >"$work/seen" 2>&1; do
    [ "$SECONDS" -lt "$last" ] || { cat "$work/seen" >&2; fail "within two minutes: $what"; }
    sleep 0.5
  done
  step "$what"
}

arrived() { docker logs "$phone" 2>/dev/null | grep --fixed-strings "$1"; }

phone_hears() { docker logs "$phone" 2>&1 | grep >/dev/null listening; }

# A request as a phone sends it: to the name in the link, which here leads to the port of the proxy.
browser() {
  curl --silent --show-error --fail --cacert secrets/chain.pem --connect-to "::127.0.0.1:$CARTWATCH_TLS_PORT" "$@"
}

answers_board() { browser "$link" | grep >/dev/null "You have it"; }

# A message by MLLP, as an engine on this machine sends it.
acknowledged() {
  exec 3<>"/dev/tcp/127.0.0.1/$CARTWATCH_MLLP_PORTS" || return 1
  printf '\x0bMSH|^~\\&|LAB|HOSP|CARTWATCH|HOSP|%s||ORU^R01|1|P|2.5\rPID|1||P1^^^HOSP^MR\rOBR|1||1|P^P^L|||%s\rOBX|1|NM|1988-5^CRP^LN||85|mg/L|||||F|||%s\r\x1c\r' \
    "$hl7_now" "$hl7_now" "$hl7_now" >&3
  read -r -t 10 -d $'\x1c' said <&3 || return 1
  [[ $said == *'MSA|AA|1'* ]]
}

scraped() {
  curl --silent "http://127.0.0.1:$CARTWATCH_PROMETHEUS_PORT/api/v1/query?query=cartwatch_patients" | grep >/dev/null '"1"\]'
}

git clone --quiet "$here/../.." "$work/clone"
cd "$work/clone"
trap clean EXIT

run_block 1
sed -i 's#{receiver}#json://phone:9101#' site/site.yaml
docker compose config --quiet 2>"$work/warnings"
[ ! -s "$work/warnings" ] || fail "docker compose config: $(cat "$work/warnings")"
docker compose create redis >"$work/created" 2>&1 || { cat "$work/created" >&2; fail "the network of the receiver"; }
docker run --detach --name "$phone" --network "${COMPOSE_PROJECT_NAME}_default" --network-alias phone \
  --volume "$here/phone.py:/phone.py:ro" python:3.13-slim python -u /phone.py >/dev/null
until_true "the receiver listens" phone_hears

run_block 2
until_true "the test message arrived" arrived "test"
[ "$(docker compose ps --all --quiet | wc -l)" -eq "$(docker compose ps --quiet --status running | wc -l)" ] || fail "one has ended"
run_block 3
run_block 4
until_true "the page arrived" arrived "CRS 2"

link=$(arrived "CRS 2" | grep --only-matching 'https://pages.hospital.example/p/[A-Za-z0-9_.~-]*' | head -n 1)
[ -n "$link" ] || fail "the page has no link"
browser "$link" | python3 "$here/phone.py" --form >"$work/form"
read -r action <"$work/form"
tail -n +2 "$work/form" >"$work/fields"
browser --output /dev/null --data "@$work/fields" "https://pages.hospital.example$action"
until_true "the link's page says who has it" answers_board
docker compose exec gateway cartwatch board | grep >/dev/null "haematologist-1" || fail "the board does not name who has it"
sed -i "s#^listeners: {}#listeners: {lab: {host: 0.0.0.0, port: $CARTWATCH_MLLP_PORTS, allow_from: [0.0.0.0/0]}}#" site/intake.yaml
hl7_now=$(date +%Y%m%d%H%M%S%z)
until_true "a result by MLLP is acknowledged" acknowledged
until_true "Prometheus has read the counts" scraped
docker compose exec prometheus promtool check rules /etc/prometheus/rules.yml >/dev/null
step "done"
