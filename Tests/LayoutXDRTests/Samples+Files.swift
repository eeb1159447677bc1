import LayoutCore
import LayoutXDR

extension Sample {
    private static let path = Self.bytes("data/set.bin")
    private static let object = Response.object(ObjectResult(handle: Self.handle, attributes: Self.attributes))

    static let files: [Sample] = [
        .call("lookup", .lookup(PathArguments(directory: .root, path: Self.path))),
        .reply("lookup", .lookup, Self.object),
        .failure("lookup", .lookup, .noEntry, "no such file: data/set.bin"),
        .call(
            "open",
            .open(
                OpenArguments(
                    directory: .root,
                    path: Self.path,
                    flags: [.read, .write, .create, .truncate],
                    mode: 0o600,
                    waitMilliseconds: 5000
                )
            )
        ),
        .reply("open", .open, Self.object),
        .failure("open", .open, .delay, "data/set.bin: 1 layout is not returned yet; ask again"),
        .call("close", .close(Self.handle)),
        .reply("close", .close, .void),
        .failure("close", .close, .badHandle, "the handle was not made by this server"),
        .call("getattr", .getAttributes(Self.handle)),
        .reply("getattr", .getAttributes, Self.object),
        .failure("getattr", .getAttributes, .stale, "the file is gone"),
        .call(
            "setattr",
            .setAttributes(
                SetAttributesArguments(
                    handle: Self.handle,
                    which: [.mode, .modificationTime],
                    mode: 0o644,
                    uid: 0,
                    gid: 0,
                    accessTime: FileTime(seconds: 0, nanoseconds: 0),
                    modificationTime: FileTime(seconds: 1_700_000_000, nanoseconds: 500_000_000)
                )
            )
        ),
        .reply("setattr", .setAttributes, Self.object),
        .failure("setattr", .setAttributes, .notPermitted, "uid 1000 does not own the file"),
        .call(
            "readdir",
            .readDirectory(
                ReadDirectoryArguments(directory: .root, path: Self.bytes("data"), cookie: 0, maxEntries: 64)
            )
        ),
        .reply(
            "readdir",
            .readDirectory,
            .readDirectory(
                ReadDirectoryResult(
                    entries: [
                        DirectoryEntry(
                            cookie: 1,
                            fileNumber: 131,
                            type: .regular,
                            size: 1 << 30,
                            name: Self.bytes("set.bin")
                        ),
                        DirectoryEntry(cookie: 2, fileNumber: 132, type: .directory, size: 0, name: Self.bytes("old")),
                    ],
                    isAtEnd: true
                )
            )
        ),
        .failure("readdir", .readDirectory, .notDirectory, "data/set.bin is a regular file"),
        .call(
            "create",
            .createDirectory(PathArguments(directory: .root, path: Self.bytes("new"), mode: 0o755))
        ),
        .reply("create", .createDirectory, Self.object),
        .failure("create", .createDirectory, .exists, "new exists"),
        .call(
            "remove",
            .remove(PathArguments(directory: Self.otherHandle, path: Self.path, waitMilliseconds: 1000))
        ),
        .reply("remove", .remove, .void),
        .failure("remove", .remove, .textBusy, "data/set.bin has an exclusive layout"),
        .call(
            "rename",
            .rename(
                RenameArguments(
                    fromDirectory: .root,
                    from: Self.path,
                    toDirectory: Self.otherHandle,
                    to: Self.bytes("b"),
                    waitMilliseconds: 1000
                )
            )
        ),
        .reply("rename", .rename, .void),
        .failure("rename", .rename, .crossDevice, "the directories are on different filesystems"),
    ]
}
