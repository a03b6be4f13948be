# Starts a Sentinel. It keeps what it learns in its own file, so the file is written only once.
# A primary is replaced once two Sentinels have missed it, for 3.0, 3.4 and 3.8 s: if all begin at once, none may get the
# votes, and the next attempt comes after twice failover-timeout. All have fixed addresses: a Sentinel that asks
# for the name of a server that has ended waits for the answer, and sees nothing meanwhile.
set -eu
password=$(cat /run/secrets/cartwatch_redis_password)
umask 077
[ -s /data/sentinel.conf ] || cat >/data/sentinel.conf <<END
port 26379
dir /data
protected-mode no
requirepass $password
sentinel sentinel-pass $password
sentinel monitor ward ${CARTWATCH_SERVER%.*}.211 6379 2
sentinel auth-pass ward $password
sentinel down-after-milliseconds ward $((3000 + 400 * (${CARTWATCH_SERVER##*.} - 221)))
sentinel failover-timeout ward 6000
sentinel parallel-syncs ward 1
END
exec redis-server /data/sentinel.conf --sentinel
