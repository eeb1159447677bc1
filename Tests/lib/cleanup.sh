# shellcheck shell=bash
# A directory for one run of a script, and an end that leaves nothing of it behind. Sourced, not run.

# make_work_directory NAME: sets `work` to a new directory and exports it as LAYOUTD_TEST_DIR, where tests make theirs.
# Short, since the path of a Unix socket has at most 107 bytes.
make_work_directory() {
    work=$(mktemp -d "${LAYOUTD_TEST_DIR:-/var/tmp}/$1.XXXXXX")
    chmod 755 "$work"
    export LAYOUTD_TEST_DIR=$work
}

# processes_of_work: the numbers of this run's processes. They are told by the directory in their environment, or one
# below it, which every descendant inherits and no other process has.
processes_of_work() {
    local environment pid
    # Processes come and go meanwhile, and those of others cannot be read. Without the variable grep is none of them.
    while IFS= read -r environment; do
        pid=${environment#/proc/}
        pid=${pid%/environ}
        # Not this shell, nor the one that asks.
        if [[ $pid != "$$" && $pid != "$BASHPID" ]]; then echo "$pid"; fi
    done < <(env -u LAYOUTD_TEST_DIR grep -lzF "LAYOUTD_TEST_DIR=$work" /proc/[0-9]*/environ 2>/dev/null)
}

# end_processes_of_work: ends what the run started and did not end itself: kindly, then, after five seconds, for good.
end_processes_of_work() {
    local signal pid
    local -a left
    for signal in TERM KILL; do
        local patience=50
        mapfile -t left < <(processes_of_work)
        for pid in ${left[@]+"${left[@]}"}; do kill -"$signal" "$pid" 2>/dev/null || true; done
        while ((${#left[@]} > 0 && patience-- > 0)); do
            sleep 0.1
            mapfile -t left < <(processes_of_work)
        done
        ((${#left[@]} > 0)) || return 0
    done
    complain "cannot end processes ${left[*]}"
    return 1
}

# unmount_below DIRECTORY: unmounts everything below it, the deepest first.
unmount_below() {
    local mount_point
    while read -r mount_point; do
        umount "$mount_point" 2>/dev/null || umount --lazy "$mount_point"
    done < <(awk -v below="$1/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts | sort -r)
}

# remove_work_directory: ends processes, unmounts, deletes. Safe to call twice.
remove_work_directory() {
    [[ -n ${work:-} && -d $work ]] || return 0
    end_processes_of_work || true
    unmount_below "$work" || true
    rm -rf --one-file-system "$work"
}
