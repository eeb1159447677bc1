import CLayoutXDR
import CTIRPC
import LayoutCore

extension FileTime {
    init(_ wire: ll_timespec) { self.init(seconds: Int64(wire.seconds), nanoseconds: wire.nanoseconds) }

    var wire: ll_timespec { ll_timespec(seconds: quad_t(self.seconds), nanoseconds: self.nanoseconds) }
}

extension FileAttributes {
    init(_ wire: ll_attributes) throws(CodecError) {
        self.init(
            type: try FileType(wire: wire.type.rawValue, "ll_ftype"),
            mode: wire.mode,
            linkCount: wire.nlink,
            uid: wire.uid,
            gid: wire.gid,
            blockSize: wire.block_size,
            flags: FileFlags(rawValue: wire.file_flags),
            fileNumber: UInt64(wire.fileid),
            size: UInt64(wire.size),
            used: UInt64(wire.used),
            change: UInt64(wire.change),
            epoch: UInt64(wire.epoch),
            accessTime: FileTime(wire.atime),
            modificationTime: FileTime(wire.mtime),
            changeTime: FileTime(wire.ctime)
        )
    }

    var wire: ll_attributes {
        ll_attributes(
            type: ll_ftype(rawValue: self.type.rawValue),
            mode: self.mode,
            nlink: self.linkCount,
            uid: self.uid,
            gid: self.gid,
            block_size: self.blockSize,
            file_flags: self.flags.rawValue,
            fileid: UInt(self.fileNumber),
            size: UInt(self.size),
            used: UInt(self.used),
            change: UInt(self.change),
            epoch: UInt(self.epoch),
            atime: self.accessTime.wire,
            mtime: self.modificationTime.wire,
            ctime: self.changeTime.wire
        )
    }
}

extension ObjectResult {
    init(_ wire: ll_object_resok) throws(CodecError) {
        self.init(handle: FileHandle(wire: wire.fh), attributes: try FileAttributes(wire.attributes))
    }

    var wire: ll_object_resok { ll_object_resok(fh: self.handle.wire, attributes: self.attributes.wire) }
}

extension ll_path {
    /// A path; `limit` cuts one that is only shown.
    init(_ path: [UInt8], limit: Int = .max, _ arena: inout WireArena) {
        unsafe self.init()
        unsafe (self.ll_path_val, self.ll_path_len) = arena.bytes(path, limit: limit)
    }

    var bytes: [UInt8] { unsafe [UInt8](wire: self.ll_path_val, self.ll_path_len) }
}

extension ll_name {
    /// A directory entry's name.
    ///
    /// Linux has none longer than the bound (`NAME_MAX`), but filesystems that translate names do: such a name is cut,
    /// and then names nothing.
    init(_ name: [UInt8], _ arena: inout WireArena) {
        unsafe self.init()
        unsafe (self.ll_name_val, self.ll_name_len) = arena.bytes(name, limit: ProtocolLimits.name)
    }

    /// A name that is only shown: cut to fit.
    init(_ text: String, _ arena: inout WireArena) {
        unsafe self.init(WireText.encode(text, limit: ProtocolLimits.name), &arena)
    }

    var bytes: [UInt8] { unsafe [UInt8](wire: self.ll_name_val, self.ll_name_len) }

    var text: String { WireText.decode(unsafe self.bytes, limit: ProtocolLimits.name) }
}

extension OpenArguments {
    init(_ wire: LL_OPENargs) {
        self.init(
            directory: FileHandle(wire: unsafe wire.dir),
            path: unsafe wire.path.bytes,
            flags: OpenFlags(rawValue: unsafe wire.flags),
            mode: unsafe wire.mode,
            waitMilliseconds: unsafe wire.wait_ms
        )
    }

    func wire(_ sequence: ll_sequence_args, _ arena: inout WireArena) -> LL_OPENargs {
        unsafe LL_OPENargs(
            sequence: sequence,
            dir: self.directory.wire,
            path: ll_path(self.path, &arena),
            flags: self.flags.rawValue,
            mode: self.mode,
            wait_ms: self.waitMilliseconds
        )
    }
}

extension SetAttributesArguments {
    init(_ wire: LL_SETATTRargs) {
        self.init(
            handle: FileHandle(wire: wire.fh),
            which: Which(rawValue: wire.which),
            mode: wire.mode,
            uid: wire.uid,
            gid: wire.gid,
            accessTime: FileTime(wire.atime),
            modificationTime: FileTime(wire.mtime)
        )
    }

    func wire(_ sequence: ll_sequence_args) -> LL_SETATTRargs {
        LL_SETATTRargs(
            sequence: sequence,
            fh: self.handle.wire,
            which: self.which.rawValue,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            atime: self.accessTime.wire,
            mtime: self.modificationTime.wire
        )
    }
}

extension ReadDirectoryArguments {
    init(_ wire: LL_READDIRargs) {
        self.init(
            directory: FileHandle(wire: unsafe wire.dir),
            path: unsafe wire.path.bytes,
            cookie: UInt64(unsafe wire.cookie),
            maxEntries: unsafe wire.max_entries
        )
    }

    func wire(_ sequence: ll_sequence_args, _ arena: inout WireArena) -> LL_READDIRargs {
        unsafe LL_READDIRargs(
            sequence: sequence,
            dir: self.directory.wire,
            path: ll_path(self.path, &arena),
            cookie: UInt(self.cookie),
            max_entries: self.maxEntries
        )
    }
}

extension ReadDirectoryResult {
    init(_ wire: ll_readdir_resok) throws(CodecError) {
        self.init(
            entries: unsafe try [DirectoryEntry](wire: wire.entries.entries_val, wire.entries.entries_len) {
                (entry) throws(CodecError) in
                DirectoryEntry(
                    cookie: UInt64(unsafe entry.cookie),
                    fileNumber: UInt64(unsafe entry.fileid),
                    type: try FileType(wire: unsafe entry.type.rawValue, "ll_ftype"),
                    size: UInt64(unsafe entry.size),
                    name: unsafe entry.name.bytes
                )
            },
            isAtEnd: Bool(wire: unsafe wire.eof)
        )
    }

    func wire(_ arena: inout WireArena) -> ll_readdir_resok {
        var wire = unsafe ll_readdir_resok()
        unsafe (wire.entries.entries_val, wire.entries.entries_len) = arena.array(self.entries) { entry, arena in
            unsafe ll_entry(
                cookie: UInt(entry.cookie),
                fileid: UInt(entry.fileNumber),
                type: ll_ftype(rawValue: entry.type.rawValue),
                size: UInt(entry.size),
                name: ll_name(entry.name, &arena)
            )
        }
        unsafe wire.eof = self.isAtEnd.wire
        return unsafe wire
    }
}

extension RenameArguments {
    init(_ wire: LL_RENAMEargs) {
        self.init(
            fromDirectory: FileHandle(wire: unsafe wire.from_dir),
            from: unsafe wire.from.bytes,
            toDirectory: FileHandle(wire: unsafe wire.to_dir),
            to: unsafe wire.to.bytes,
            waitMilliseconds: unsafe wire.wait_ms
        )
    }

    func wire(_ sequence: ll_sequence_args, _ arena: inout WireArena) -> LL_RENAMEargs {
        unsafe LL_RENAMEargs(
            sequence: sequence,
            from_dir: self.fromDirectory.wire,
            from: ll_path(self.from, &arena),
            to_dir: self.toDirectory.wire,
            to: ll_path(self.to, &arena),
            wait_ms: self.waitMilliseconds
        )
    }
}
