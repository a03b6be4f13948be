# Printed into the configuration of a server of the store when it starts: whose replica it is, or nothing if it is primary.
# Without an answer of the Sentinels (profile ha) the first server is the primary: the first start, or that of one server.
password=$(cat /run/secrets/cartwatch_redis_password)
network=${CARTWATCH_SERVER%.*}
primary=$network.211
for sentinel in "$network.221" "$network.222" "$network.223"; do
  known=$(REDISCLI_AUTH=$password timeout 1 redis-cli -h "$sentinel" -p 26379 --raw sentinel get-master-addr-by-name ward 2>/dev/null | head -n 1)
  case $known in "$network".21[123]) primary=$known; break ;; esac
done
[ "$primary" = "$CARTWATCH_SERVER" ] || echo "replicaof $primary 6379"
