#!/bin/sh
# One job of the load: job.sh LEDGER LINES PIECES PAUSE EXIT_CODE HABIT
# Notes in a file of its own that it began and ended, and prints what expected_output() of load.py computes.
ledger=$1/$SIGRUN_JOB lines=$2 pieces=$3 pause=$4 code=$5 habit=$6
echo "begin $SIGRUN_ATTEMPT $SIGRUN_FENCING_TOKEN" >> "$ledger"
echo "attempt $SIGRUN_ATTEMPT $SIGRUN_FENCING_TOKEN"
case $habit in
    # A child in a session of its own that holds the output open and does not hear TERM.
    leaves_child) setsid sh -c "trap '' TERM; while :; do sleep 5; done" & ;;
    deaf) trap '' TERM ;;
esac
i=0
while [ $i -lt "$pieces" ]; do
    seq $((i * lines + 1)) $(((i + 1) * lines))
    [ "$pause" = 0 ] || sleep "$pause"
    i=$((i + 1))
done
echo "end $SIGRUN_ATTEMPT $SIGRUN_FENCING_TOKEN" >> "$ledger"
exit "$code"
