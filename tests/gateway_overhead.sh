#!/bin/sh
# What auditing costs: the same upstream asked directly, through nginx as a plain reverse proxy, and through
# `kubevigil record` at level Metadata, in turns within one run.
#
#   tests/gateway_overhead.sh KUBEVIGIL [ROUNDS] [SECONDS] [CONNECTIONS]
#
# Needs nginx and wrk. Everything runs on loopback, as the user who calls it, in a folder of its own.
# Prints the median over the rounds of requests a second, of the slowest of a hundred (p99), and of processor time a request of the
# proxy alone. On a machine that does other things, too, the last is what to go by.
set -eu

if [ $# -lt 1 ]; then
    sed -n '5s/^# *//p' "$0" >&2
    exit 2
fi
kubevigil=$1
rounds=${2:-5}
seconds=${3:-5}
connections=${4:-32}
PATH=$PATH:/usr/sbin:/sbin
for tool in nginx wrk curl; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not installed" >&2; exit 0; }
done

home=$(mktemp -d "${TMPDIR:-/tmp}/kubevigil-overhead.XXXXXX")
processes=
finish() {
    trap '' INT TERM HUP
    trap - EXIT
    [ -z "$processes" ] || kill $processes 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$home"
    exit "$1"
}
trap 'finish 130' INT TERM HUP
trap 'finish $?' EXIT

# Free ports, as the system gives them out.
ports=$(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*[socket.getsockname()[1] for socket in sockets])')
set -- $ports
upstream=$1 plain=$2 kept=$3 audited=$4 metrics=$5

# The size of a small pod.
padding=$(printf '%800s' '' | tr ' ' x)
pod="{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"web-0\",\"namespace\":\"default\",\"annotations\":{\"a\":\"$padding\"}}}"

# nginx NAME: reads the servers from standard input, runs in the foreground, with as many workers as processors.
start_nginx() {
    mkdir "$home/$1"
    {
        echo "daemon off; pid $home/$1/pid; error_log $home/$1/error.log; worker_processes auto;"
        echo "events { worker_connections 4096; }"
        echo "http { access_log off; keepalive_requests 1000000000;"
        for folder in client_body proxy fastcgi uwsgi scgi; do
            echo "${folder}_temp_path $home/$1/$folder;"
        done
        cat
        echo "}"
    } >"$home/$1/nginx.conf"
    nginx -p "$home/$1" -e "$home/$1/error.log" -c "$home/$1/nginx.conf" &
    processes="$processes $!"
}

start_nginx upstream <<END
server { listen 127.0.0.1:$upstream; location / { default_type application/json; return 200 '$pod'; } }
END
start_nginx proxy <<END
upstream kept { server 127.0.0.1:$upstream; keepalive 512; keepalive_requests 1000000000; }
server { listen 127.0.0.1:$plain; location / { proxy_pass http://127.0.0.1:$upstream; } }
server { listen 127.0.0.1:$kept; location / { proxy_pass http://kept; proxy_http_version 1.1; proxy_set_header Connection ""; } }
END
proxy=${processes##* }

printf 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n' >"$home/policy.yaml"
"$kubevigil" record --upstream "http://127.0.0.1:$upstream" --bind-address 127.0.0.1 --secure-port "$audited" \
    --metrics-listen "127.0.0.1:$metrics" --audit-policy-file "$home/policy.yaml" --audit-log-path "$home/audit.log" \
    --audit-log-maxsize 1000 --audit-log-maxbackup 1 2>"$home/record.log" &
gateway=$!
processes="$processes $gateway"

target=/api/v1/namespaces/default/pods/web-0
for port in $upstream $plain $kept $audited; do
    tries=0
    until curl -sf -o /dev/null "http://127.0.0.1:$port$target"; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ]; then
            echo "nothing answers on port $port:" >&2
            cat "$home"/*/error.log "$home/record.log" >&2
            exit 1
        fi
        sleep 0.1
    done
done

# Processor time of a process and its children, in ticks.
ticks() {
    for process in $1 $(cat "/proc/$1/task/$1/children"); do
        sed 's/.*) //' "/proc/$process/stat"
    done | awk '{ sum += $12 + $13 } END { print sum }'
}

# measure NAME PORT PROCESS: adds a line `NAME requests/s p99-in-ms microseconds-a-request` to the figures.
measure() {
    before=$(ticks "$3")
    wrk -t2 -c"$connections" -d"${seconds}s" --latency "http://127.0.0.1:$2$target" >"$home/wrk"
    after=$(ticks "$3")
    if grep -q 'Non-2xx\|Socket errors' "$home/wrk"; then
        echo "through $1 not every request was answered:" >&2
        cat "$home/wrk" >&2
        exit 1
    fi
    awk -v name="$1" -v ticks=$((after - before)) -v hertz="$(getconf CLK_TCK)" '
        $1 == "99%" { p99 = $2 + 0; if ($2 ~ /us$/) p99 /= 1000; else if ($2 !~ /ms$/) p99 *= 1000 }
        /requests in/ { requests = $1 }
        /^Requests\/sec/ { rate = $2 }
        END { printf "%s %.0f %.2f %.1f\n", name, rate, p99, ticks / hertz * 1e6 / requests }' "$home/wrk" >>"$home/figures"
}

upstream_process=${processes# }
upstream_process=${upstream_process%% *}
for round in $(seq "$rounds"); do
    measure direct "$upstream" "$upstream_process"
    measure nginx "$plain" "$proxy"
    measure nginx-keepalive "$kept" "$proxy"
    measure kubevigil "$audited" "$gateway"
done

median() {
    awk -v name="$1" -v field="$2" '$1 == name { print $field }' "$home/figures" | sort -n |
        awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}
printf '%-34s %10s %10s %16s\n' "$rounds rounds of $seconds s, $connections connections" requests/s 'p99 ms' 'µs a request'
for name in direct nginx nginx-keepalive kubevigil; do
    printf '%-34s %10s %10s %16s\n' $name "$(median $name 2)" "$(median $name 3)" "$(median $name 4)"
done
events=$(wc -l <"$home/audit.log")
awk -v own="$(median kubevigil 2)" -v plain="$(median nginx 2)" -v kept="$(median nginx-keepalive 2)" -v events="$events" 'BEGIN {
    printf "kubevigil does %.0f %% of nginx as it is configured by default, %.0f %% of nginx with connections kept\n",
        100 * own / plain, 100 * own / kept
    printf "(%d events in the log that is written at present)\n", events
}'
