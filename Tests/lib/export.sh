# shellcheck shell=bash
# A directory to export and a server that exports it. Sourced, after requirements.sh and cleanup.sh.

# make_export BYTES: sets `export_directory` to an empty directory with room for that much, where bytes can be inserted
# and cloned: an XFS image if filesystems can be mounted, else a directory below $work. Returns 77 if that is on a
# filesystem that cannot insert.
make_export() {
    export_directory=${work:?}/export
    mkdir "$export_directory"
    if can_mount; then
        # XFS wants 300 MB at least, and room for its log. The image is sparse: only what is written takes space.
        local size=$((($1 > 0 ? $1 : 1) + (384 << 20)))
        truncate --size "$size" "$work/image"
        mkfs.xfs -q -m reflink=1 "$work/image"
        mount -o loop "$work/image" "$export_directory"
    else
        local probe=$export_directory/probe
        head -c 131072 /dev/zero >"$probe"
        if ! fallocate --insert-range --offset 65536 --length 65536 "$probe" 2>/dev/null; then
            complain "$work is on $(stat -f -c %T "$work"), where nothing can be inserted;" \
                "set LAYOUTD_TEST_DIR to a directory on XFS or ext4"
            return 77
        fi
        rm "$probe"
    fi
    # Clients of other users make files in it.
    chmod 1777 "$export_directory"
}

# start_server OPTION...: starts `layoutd serve` for export_directory with these options, and waits until clients can
# connect. Sets server_pid and server_addresses; it logs to $work/server.log.
start_server() {
    local line=''
    exec {server_output}< <(
        exec "$LAYOUTD_BUILD/layoutd" serve --export "$export_directory" --state "$work/state" --log-level info \
            --guard off "$@" 2>>"$work/server.log"
    )
    server_pid=$!
    # One deadline; and if the server ends instead, so does its output.
    if ! IFS= read -r -t 60 line <&"$server_output" || [[ $line != 'layoutd ready '* ]]; then
        complain "the server does not start: ${line:-$(tail -n 5 "$work/server.log")}"
        return 1
    fi
    # shellcheck disable=SC2034 # For the caller.
    read -r -a server_addresses <<<"${line#layoutd ready }"
}

# stop_server: asks the server to end, and fails if it does not end well.
stop_server() {
    local status=0
    kill -TERM "$server_pid"
    wait "$server_pid" || status=$?
    exec {server_output}<&-
    if ((status != 0)); then
        complain "the server ended with $status:"
        tail -n 20 "$work/server.log" >&2
        return 1
    fi
}

# show_server_log: for a failure.
show_server_log() {
    [[ -f ${work:-}/server.log ]] || return 0
    echo "---- the end of the server's log" >&2
    tail -n 40 "$work/server.log" >&2
}
