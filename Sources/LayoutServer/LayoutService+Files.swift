import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Sessions

/// Files: handles, attributes, directories (specification §5).
extension LayoutService {
    // MARK: Handles

    /// Finds the file of a handle, and goes on with it; else the call is answered.
    ///
    /// At once if the file is in the table; else it is looked for by its identity, which only root can do.
    func withFile(_ handle: FileHandle, _ call: ActiveCall, _ body: @escaping (FileEntry) -> Void) {
        if let entry = self.files.find(handle) { return body(entry) }
        let identity: FileIdentity
        do throws(LinuxError) {
            identity = try self.files.identity(of: handle)
        } catch {
            return self.finish(call, error.status, error.message)
        }
        let export = self.export
        self.work.run(
            on: nil,
            {
                Result<FoundFile, Failure> { () throws(LinuxError) in
                    try FoundFile(try export.find(identity), in: export)
                }
            },
            then: { result in
                switch result {
                case .success(let found):
                    body(self.enter(found, path: []))
                case .failure(let failure):
                    // Not to be found is gone, as far as the client is concerned.
                    let isUnable = [.notSupported, .notPermitted].contains(failure.status)
                    self.finish(call, isUnable ? .stale : failure.status, failure.detail)
                }
            }
        )
    }

    /// Enters a file in the table.
    func enter(_ found: FoundFile, path: [UInt8]) -> FileEntry {
        self.files.insert(found, path: path) { self.engine.isInUse($0) }
    }

    /// The path below the export of a name in a directory, for people.
    func path(_ name: [UInt8], in directory: FileEntry) -> [UInt8] {
        guard !directory.path.isEmpty else { return name }
        guard !name.isEmpty else { return directory.path }
        return Array((directory.path + [UInt8(ascii: "/")] + name).prefix(ProtocolLimits.path))
    }

    /// The directory that a path starts at, for the file layer; `nil` for the export itself.
    func base(_ directory: FileEntry) -> SharedDescriptor? {
        directory === self.files.root ? nil : directory.place
    }

    /// A descriptor of a file, opened for a user: the one from before, or a new one.
    ///
    /// Opening checks the permission.
    func withDescriptor(
        of entry: FileEntry,
        for user: UserIdentity,
        _ access: FileAccess,
        _ body: @escaping (Result<SharedDescriptor, Failure>) -> Void
    ) {
        if let descriptor = self.opened.find(entry.id, for: user, access) { return body(.success(descriptor)) }
        let place = entry.place
        self.work.run(
            on: nil,
            {
                Result<SharedDescriptor, Failure> { () throws(LinuxError) in
                    try user.run { () throws(LinuxError) in
                        try ExportRoot.openRegular(place, for: access, "open the file").shared()
                    }
                }
            },
            then: { result in
                if case .success(let descriptor) = result, self.files.find(entry.id) != nil {
                    self.opened.insert(descriptor, entry.id, for: user, access)
                }
                body(result)
            }
        )
    }

    // MARK: Attributes

    func attributes(_ facts: FileFacts, of entry: FileEntry) -> LayoutXDR.FileAttributes {
        LayoutXDR.FileAttributes(facts, epoch: self.engine.epoch(of: entry.id), support: self.support)
    }

    func object(_ entry: FileEntry, _ facts: FileFacts) -> Response {
        .object(ObjectResult(handle: entry.handle, attributes: self.attributes(facts, of: entry)))
    }

    func getAttributes(_ handle: FileHandle, _ call: ActiveCall) {
        self.withFile(handle, call) { entry in
            self.answerWithAttributes(of: entry, call)
        }
    }

    /// Answers with the attributes of a file as it is now.
    func answerWithAttributes(of entry: FileEntry, _ call: ActiveCall) {
        let place = entry.place
        self.work.run(
            on: nil,
            { Result<FileFacts, Failure> { () throws(LinuxError) in try FileFacts(of: place) } },
            then: { result in
                switch result {
                case .failure(let failure):
                    self.finish(call, .failure(failure))
                case .success(let facts) where facts.linkCount == 0:
                    self.files.drop(entry.id) { self.engine.isInUse($0) }
                    self.finish(call, .stale, "the file was removed; look it up again")
                case .success(let facts):
                    self.finish(call, .success(self.object(entry, facts)))
                }
            }
        )
    }

    func setAttributes(_ arguments: SetAttributesArguments, _ call: ActiveCall) {
        guard arguments.which.subtracting(.known).isEmpty else {
            return self.finish(call, .invalid, "unknown attributes in SETATTR: name those of layout.x")
        }
        self.withFile(arguments.handle, call) { entry in
            let (place, user) = (entry.place, call.user)
            // What was opened under the old permissions is not to be used under the new ones.
            self.opened.drop(entry.id)
            let subject = ChangeIntent.Subject.attributes(file: entry.locator, user)
            self.runRecorded(
                on: nil,
                call,
                { recorder -> RecordedChange<Void> in
                    recorder.run(subject) { () throws(LinuxError) in
                        try user.run { () throws(LinuxError) in try arguments.apply(to: place) }
                    } synchronize: { _ in
                        // Attributes are on stable storage when the filesystem has brought them there.
                    }
                },
                then: { result in
                    self.opened.drop(entry.id)
                    switch result {
                    case .failure(let failure): self.finish(call, .failure(failure))
                    case .success: self.answerWithAttributes(of: entry, call)
                    }
                }
            )
        }
    }

    // MARK: Directories

    func lookUp(_ arguments: PathArguments, _ call: ActiveCall) {
        self.withFile(arguments.directory, call) { directory in
            self.find(arguments.path, in: directory, call) { entry, facts in
                self.finish(call, .success(self.object(entry, facts)))
            }
        }
    }

    /// Resolves a path as the caller, and goes on with what it leads to.
    private func find(
        _ path: [UInt8],
        in directory: FileEntry,
        _ call: ActiveCall,
        then body: @escaping (FileEntry, FileFacts) -> Void
    ) {
        let (export, user, base) = (self.export, call.user, self.base(directory))
        self.work.run(
            on: nil,
            {
                Result<FoundFile, Failure> { () throws(LinuxError) in
                    try user.run { () throws(LinuxError) in
                        try FoundFile(try export.resolve(path, at: base), in: export)
                    }
                }
            },
            then: { result in
                switch result {
                case .failure(let failure): self.finish(call, .failure(failure))
                case .success(let found):
                    body(self.enter(found, path: self.path(path, in: directory)), found.facts)
                }
            }
        )
    }

    func readDirectory(_ arguments: ReadDirectoryArguments, _ call: ActiveCall) {
        guard arguments.maxEntries > 0 else {
            return self.finish(call, .tooSmall, "READDIR of no entries: ask for at least one")
        }
        // 24 bytes of sequence, 12 of status, count and end; 32 of each entry and up to 256 of its name.
        let room = (call.replyMax - 36) / 288
        guard room > 0 else {
            return self.finish(call, .replyTooBigToCache, "not even one name fits: ask without cachethis")
        }
        let limit = min(Int(clamping: arguments.maxEntries), ProtocolLimits.entries, room)
        self.withFile(arguments.directory, call) { directory in
            let (export, user, base) = (self.export, call.user, self.base(directory))
            self.work.run(
                on: nil,
                {
                    Result<DirectoryListing, Failure> { () throws(LinuxError) in
                        try user.run { () throws(LinuxError) in
                            let opened = try export.openDirectory(arguments.path, at: base)
                            return try ExportRoot.entries(of: opened, after: arguments.cookie, limit: limit)
                        }
                    }
                },
                then: { result in
                    self.finish(call, result.map { .readDirectory(ReadDirectoryResult($0)) })
                }
            )
        }
    }

    func createDirectory(_ arguments: PathArguments, _ call: ActiveCall) {
        self.withFile(arguments.directory, call) { directory in
            let work = MakeDirectoryWork(
                path: arguments.path,
                mode: arguments.mode,
                directory: NamedDirectory(base: self.base(directory), locator: directory.locator),
                user: call.user,
                export: self.export
            )
            self.runRecorded(
                on: nil,
                call,
                work.run,
                then: { result in
                    switch result {
                    case .failure(let failure): self.finish(call, .failure(failure))
                    case .success: self.lookUp(arguments, call)
                    }
                }
            )
        }
    }

    /// CLOSE: nothing was opened that a later call depends on, and no layout is granted for return on close.
    func close(_ handle: FileHandle, _ call: ActiveCall) {
        self.withFile(handle, call) { _ in self.finish(call, .success(.void)) }
    }
}

extension SetAttributesArguments {
    /// Sets them, as the calling thread's user; a second time makes no difference.
    func apply(to place: SharedDescriptor) throws(LinuxError) {
        // The owner first: changing it takes set-ID bits away.
        if self.which.contains(.owner) {
            try LinuxFiles.FileAttributes.setOwner(uid: self.uid, gid: self.gid, of: place)
        }
        if self.which.contains(.mode) { try LinuxFiles.FileAttributes.setMode(self.mode, of: place) }
        let accessed = self.which.contains(.accessTime) ? LinuxFiles.FileTime(self.accessTime) : nil
        let modified = self.which.contains(.modificationTime) ? LinuxFiles.FileTime(self.modificationTime) : nil
        if accessed != nil || modified != nil {
            try LinuxFiles.FileAttributes.setTimes(accessed: accessed, modified: modified, of: place)
        }
    }
}

extension FileEntry {
    /// Why nothing can be done to the bytes of this file, if it is not a regular one.
    var notRegular: Failure? {
        switch self.type {
        case .regular: nil
        case .directory: Failure(.isDirectory, "'\(self.pathText)' is a directory: name a regular file")
        case .blockDevice, .characterDevice, .symbolicLink, .socket, .fifo:
            Failure(.badType, "'\(self.pathText)' is a \(self.type): name a regular file")
        }
    }
}
