#!/bin/sh
# Starts kubevigil on loopback with the built-in rules, replays a recorded audit log through its webhook, and stays up.
#
#   tests/demo.sh FOLDER-OF-BINARIES LOG [ARGUMENT-OF-KUBEVIGIL-RUN...]
#
# Needs nothing but the two binaries: kubevigil and replay.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 FOLDER-OF-BINARIES LOG [ARGUMENT-OF-KUBEVIGIL-RUN...]" >&2
    exit 2
fi
binaries=$1
log=$2
shift 2

# A folder of its own each time: events that kubevigil knows already would not alert again.
state=$(mktemp -d "${TMPDIR:-/tmp}/kubevigil-demo.XXXXXX")
daemon=
follower=

finish() {
    trap '' INT TERM HUP
    trap - EXIT
    if [ -n "$daemon" ]; then
        kill -TERM "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    # What it said last is shown before the folder goes.
    sleep 0.2
    [ -z "$follower" ] || kill "$follower" 2>/dev/null || true
    rm -rf "$state"
    exit "$1"
}
trap 'finish 0' INT TERM HUP
trap 'finish $?' EXIT

"$binaries/kubevigil" run --state-dir "$state/state" "$@" 2>"$state/log" &
daemon=$!
tail -n +1 -f "$state/log" >&2 &
follower=$!

until grep -q 'health checks and metrics on' "$state/log"; do
    if ! kill -0 "$daemon" 2>/dev/null; then
        sleep 0.2
        echo >&2
        echo "kubevigil did not start: the reason stands above." >&2
        echo "If a port is in use, another kubevigil may be running: stop it, and try again." >&2
        exit 1
    fi
    sleep 0.1
done
url=$(sed -n 's/.*audit webhook on \(http[^ ]*\).*/\1/p' "$state/log")

echo
echo "Replaying $log, recorded at a kube-apiserver, to $url:"
echo
"$binaries/replay" --url "$url" --batch 20 --connections 1 "$log"
# The alerts follow the answers by some milliseconds.
sleep 1
echo
echo "These were the alerts. kubevigil stays up; point a kube-apiserver at $url,"
echo "or send more:  $binaries/replay --url $url --generate 1000"
echo "Ctrl-C ends it."
echo
wait "$daemon"
