import LayoutHolder
import LayoutXDR
import NIOCore

extension LayoutClient {
    // MARK: Opening

    /// Opens a file.
    ///
    /// - Parameters:
    ///   - path: Relative to the directory that the server exports.
    ///   - access: What the file is opened for. Permissions are checked now and with every later call.
    ///   - options: Whether to make or empty it.
    ///   - mode: The permission bits of a new file.
    ///   - patience: How long ``OpenOptions/truncate`` may wait for layouts of others.
    /// - Returns: The file.
    /// - Throws: ``LayoutError``, for example with ``LayoutCore/LayoutStatus/noEntry``,
    ///   ``LayoutCore/LayoutStatus/notSupported`` for ``OpenOptions/requiresDAX``,
    ///   ``LayoutCore/LayoutStatus/access`` or ``LayoutCore/LayoutStatus/isDirectory``;
    ///   ``LayoutCore/LayoutStatus/outcomeUnknown`` if the session was lost while a file was made exclusively.
    public func open(
        _ path: String,
        _ access: IOMode = .read,
        options: OpenOptions = [],
        mode: UInt32 = 0o666,
        patience: Duration? = nil
    ) async throws(LayoutError) -> LayoutFile {
        let attempt = "open '\(path)'"
        let name = try Self.bytes(of: path, attempt)
        var flags: OpenFlags = access == .read ? [.read] : [.read, .write]
        if options.contains(.create) { flags.insert(.create) }
        if options.contains(.exclusive) { flags.insert(.exclusive) }
        guard access == .readWrite || !options.contains(.truncate) else {
            throw LayoutError(.invalid, "cannot \(attempt): truncating needs the access .readWrite")
        }
        // Never with TRUNCATE: which file it is, and what this client holds of it, is not known before (R5.2-2).
        let arguments = OpenArguments(directory: .root, path: name, flags: flags, mode: mode, waitMilliseconds: 0)
        let loss: SessionCall.Loss = options.contains(.exclusive) ? .once : .repeatable
        let timeout = self.configuration.answerTimeout * 2
        let core: BoundFile = try await self.perform(attempt) { core, completion in
            core.link.submit(.open(arguments), loss: loss, timeout: timeout) { result in
                completion(
                    result.flatMap { response in
                        guard case .object(let object) = response else {
                            return .failure(Failure(.serverFault, "OPEN was answered with something else"))
                        }
                        if options.contains(.requiresDAX), !object.attributes.flags.contains(.dax) {
                            return .failure(LayoutFile.notOnPersistentMemory)
                        }
                        let file = core.file(object, path: path)
                        file.openCount += 1
                        return .success(BoundFile(file, eventLoop: core.loop))
                    }
                )
            }
        }
        let needsDAX = options.contains(.requiresDAX)
        let file = LayoutFile(client: self, core: core, path: path, access: access, requiresDAX: needsDAX)
        if options.contains(.truncate) { try await file.truncate(to: 0, patience: patience) }
        return file
    }

    // MARK: Names

    /// Names in one directory that are more than this library lists.
    private static var directoryEntriesMax: Int { 1 << 23 }

    /// The attributes of a file or directory.
    ///
    /// - Parameter path: Relative to the directory that the server exports; empty for that itself.
    /// - Returns: The attributes.
    /// - Throws: ``LayoutError``, for example with ``LayoutCore/LayoutStatus/noEntry``.
    public func stat(_ path: String) async throws(LayoutError) -> FileAttributes {
        let attempt = "look '\(path)' up"
        let name = try Self.bytes(of: path, attempt)
        let response = try await self.call(
            .lookup(PathArguments(directory: .root, path: name)),
            loss: .repeatable,
            attempt
        )
        return FileAttributes(try response.object(attempt).attributes)
    }

    /// The names in a directory, in the order of the filesystem, without "." and "..".
    ///
    /// Not one moment's: names that are made or removed meanwhile may or may not be in it.
    /// - Parameter path: Relative to the directory that the server exports; empty for that itself.
    /// - Returns: The names.
    /// - Throws: ``LayoutError``, for example with ``LayoutCore/LayoutStatus/notDirectory``.
    public func list(_ path: String = "") async throws(LayoutError) -> [DirectoryEntry] {
        let attempt = "list '\(path)'"
        let name = try Self.bytes(of: path, attempt)
        var entries: [DirectoryEntry] = []
        var cookie: UInt64 = 0
        while true {
            let arguments = ReadDirectoryArguments(directory: .root, path: name, cookie: cookie, maxEntries: 256)
            let response = try await self.call(.readDirectory(arguments), loss: .repeatable, attempt)
            guard case .readDirectory(let page) = response else { throw Response.unexpected(attempt) }
            entries += page.entries.map { DirectoryEntry($0) }
            guard !page.isAtEnd, let last = page.entries.last else { return entries }
            // A server that leads in circles, or never ends, is not followed for ever.
            guard last.cookie != cookie, entries.count < Self.directoryEntriesMax else {
                throw LayoutError(.serverFault, "cannot \(attempt): the server's list of names does not come to an end")
            }
            cookie = last.cookie
        }
    }

    /// Makes a directory.
    ///
    /// - Throws: ``LayoutError``, for example with ``LayoutCore/LayoutStatus/exists``;
    ///   ``LayoutCore/LayoutStatus/outcomeUnknown`` if the session was lost meanwhile.
    public func makeDirectory(_ path: String, mode: UInt32 = 0o777) async throws(LayoutError) {
        let attempt = "make the directory '\(path)'"
        let name = try Self.bytes(of: path, attempt)
        let arguments = PathArguments(directory: .root, path: name, mode: mode)
        _ = try await self.call(.createDirectory(arguments), loss: .once, attempt)
    }

    /// Removes a file's name, or an empty directory.
    ///
    /// Removing the last name of a file is a mapping change: it waits for the holders of layouts.
    /// - Parameters:
    ///   - path: Relative to the directory that the server exports.
    ///   - patience: How long to wait for layouts of others.
    /// - Throws: ``LayoutError`` with ``LayoutCore/LayoutStatus/delay`` if they were not given back in time;
    ///   ``LayoutCore/LayoutStatus/outcomeUnknown`` if the session was lost meanwhile.
    public func remove(_ path: String, patience: Duration? = nil) async throws(LayoutError) {
        let attempt = "remove '\(path)'"
        let name = try Self.bytes(of: path, attempt)
        let wait = self.wait(patience)
        let arguments = PathArguments(directory: .root, path: name, waitMilliseconds: wait.wholeMilliseconds)
        try await self.change(namedBy: name, .remove(arguments), wait, attempt)
    }

    /// Renames a file or directory; a file that has the new name already loses it.
    ///
    /// - Parameters:
    ///   - path: The old name, relative to the directory that the server exports.
    ///   - newPath: The new one.
    ///   - patience: How long to wait for layouts of others on the file that loses its last name.
    /// - Throws: As of ``remove(_:patience:)``.
    public func rename(_ path: String, to newPath: String, patience: Duration? = nil) async throws(LayoutError) {
        let attempt = "rename '\(path)' to '\(newPath)'"
        let wait = self.wait(patience)
        let to = try Self.bytes(of: newPath, attempt)
        let arguments = RenameArguments(
            fromDirectory: .root,
            from: try Self.bytes(of: path, attempt),
            toDirectory: .root,
            to: to,
            waitMilliseconds: wait.wholeMilliseconds
        )
        try await self.change(namedBy: to, .rename(arguments), wait, attempt)
    }

    /// Makes a call that may take the last name of the file at `name`, whose layouts then go back with it (R5.2-5).
    private func change(
        namedBy name: [UInt8],
        _ request: Request,
        _ wait: Duration,
        _ attempt: String
    ) async throws(LayoutError) {
        var handle: FileHandle?
        do throws(LayoutError) {
            let lookup = Request.lookup(PathArguments(directory: .root, path: name))
            handle = try await self.call(lookup, loss: .repeatable, attempt).object(attempt).handle
        } catch {
            // Nothing there, or nothing that can be looked up: nothing is held of it either.
        }
        let timeout = wait + self.configuration.answerTimeout * 2
        let pins = PinScope.windows(of: self)
        let _: Bool = try await self.perform(attempt) { [handle] core, completion in
            let send = { (ended: @escaping (Result<Response, Failure>) -> Void) in
                core.link.submit(request, loss: .once, kind: .waiting, timeout: timeout, wait: wait) { result in
                    ended(result)
                    completion(result.map { _ in true })
                }
            }
            guard let handle, let file = core.files[handle] else { return send { _ in } }
            file.requestChange(.remove, .all, pins: pins, patience: wait) { outcome in
                switch outcome {
                case .success(let id): send { file.changeEnded(id, $0) }
                case .failure(let failure): completion(.failure(failure))
                }
            }
        }
    }

    // MARK: Helpers

    /// How long the server is asked to wait: at most 20 seconds (R6.4-14), at least something, as 0 means the default.
    func wait(_ patience: Duration?) -> Duration {
        min(max(patience ?? self.configuration.patience, .milliseconds(1)), .seconds(20))
    }

    static func bytes(of path: String, _ attempt: String) throws(LayoutError) -> [UInt8] {
        let bytes = Array(path.utf8)
        guard bytes.count <= ProtocolLimits.path else {
            throw LayoutError(
                .nameTooLong,
                "cannot \(attempt): a path has at most \(ProtocolLimits.path) bytes, this one has \(bytes.count)"
            )
        }
        return bytes
    }
}

extension Response {
    func object(_ attempt: String) throws(LayoutError) -> ObjectResult {
        guard case .object(let object) = self else { throw Self.unexpected(attempt) }
        return object
    }

    static func unexpected(_ attempt: String) -> LayoutError {
        LayoutError(.serverFault, "cannot \(attempt): the server's answer is one to another question")
    }
}
