import LayoutCore
import LayoutXDR

extension Sample {
    private static func change(_ operation: MappingOperation, keepSize: Bool = false) -> Request {
        .change(
            ChangeArguments(
                operation: operation,
                handle: Self.handle,
                offset: 4096,
                length: 8192,
                waitMilliseconds: 20_000,
                keepSize: keepSize
            )
        )
    }

    private static let changed = Response.change(
        ChangeResult(size: 1 << 30, change: 13, epoch: 5, stateID: Self.stateID, recalled: 2)
    )
    private static let changedWithoutLayout = Response.change(
        ChangeResult(size: 4096, change: 14, epoch: 5, stateID: nil, recalled: 0)
    )

    static let changes: [Sample] = [
        .call("allocate", Self.change(.allocate, keepSize: true)),
        .reply("allocate", .allocate, Self.changedWithoutLayout),
        .failure("allocate", .allocate, .noSpace, "the filesystem has 4096 bytes left"),
        .call("punch-hole", Self.change(.punchHole)),
        .reply("punch-hole", .punchHole, Self.changed),
        .failure("punch-hole", .punchHole, .delay, "client 7 has not returned [4096, 12288); nothing was done"),
        .call("zero-range", Self.change(.zeroRange)),
        .reply("zero-range", .zeroRange, Self.changed),
        .failure("zero-range", .zeroRange, .notSupported, "tmpfs has no zero range"),
        .call("collapse-range", Self.change(.collapseRange)),
        .reply("collapse-range", .collapseRange, Self.changed),
        .failure("collapse-range", .collapseRange, .invalid, "offset 100 is not a multiple of 4096"),
        .call("insert-range", Self.change(.insertRange)),
        .reply("insert-range", .insertRange, Self.changed),
        .failure("insert-range", .insertRange, .outcomeUnknown, "a crash interrupted the shift; restore the file"),
        .call("truncate", Self.change(.truncate)),
        .reply("truncate", .truncate, Self.changedWithoutLayout),
        .failure("truncate", .truncate, .fileTooBig, "the filesystem's limit is 8 EiB"),
        .call(
            "clone-range",
            .cloneRange(
                CloneArguments(
                    source: Self.otherHandle,
                    sourceOffset: 65_536,
                    handle: Self.handle,
                    offset: 0,
                    length: 0,
                    waitMilliseconds: 20_000
                )
            )
        ),
        .reply("clone-range", .cloneRange, Self.changed),
        .failure("clone-range", .cloneRange, .deadlock, "the caller holds a pin in the range"),
        .call("read", .read(ReadArguments(handle: Self.handle, offset: 4090, count: 6))),
        .reply("read", .read, .read(ReadResult(isAtEnd: true, data: Self.bytes("record")))),
        .failure("read", .read, .ioError, "the device failed at byte 4090"),
        .call(
            "write",
            .write(
                WriteArguments(
                    handle: Self.handle,
                    offset: 4096,
                    isStable: true,
                    waitMilliseconds: 1000,
                    data: Self.bytes("hello")
                )
            )
        ),
        .reply("write", .write, .write(WriteResult(count: 5, size: 4101, verifier: 0x0f0e_0d0c_0b0a_0908))),
        .failure("write", .write, .quota, "uid 1000 is over its quota"),
        .call("commit", .commit(CommitArguments(handle: Self.handle, offset: 0, length: .max))),
        .reply("commit", .commit, .void),
        .failure("commit", .commit, .grace, "the server restarted and waits for reclaims"),
    ]
}
