import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles

/// OPEN, REMOVE and RENAME: calls by name that may end, or empty, a file that others hold layouts of (specification
/// §5.2).
extension LayoutService {
    // MARK: OPEN

    func open(_ arguments: OpenArguments, _ call: ActiveCall) {
        let flags = arguments.flags
        guard flags.subtracting(.known).isEmpty, let access = FileAccess(flags),
            !flags.contains(.exclusive) || flags.contains(.create),
            !flags.contains(.truncate) || flags.contains(.write)
        else {
            return self.finish(
                call,
                .invalid,
                "OPEN is for reading, writing or both; exclusive only together with create, truncate only with write"
            )
        }
        self.withFile(arguments.directory, call) { directory in
            let (export, user, base) = (self.export, call.user, self.base(directory))
            self.work.run(
                on: nil,
                {
                    Result<Opened, Failure> { () throws(LinuxError) in
                        let (descriptor, isNew) = try user.run { () throws(LinuxError) in
                            try Self.open(arguments, access, in: export, at: base)
                        }
                        return try Opened(descriptor, isNew: isNew, in: export)
                    }
                },
                then: { result in
                    switch result {
                    case .failure(let failure): self.finish(call, .failure(failure))
                    case .success(let opened):
                        let entry = self.enter(opened.found, path: self.path(arguments.path, in: directory))
                        self.opened.insert(opened.descriptor, entry.id, for: user, access)
                        self.opened(entry, opened, arguments, call)
                    }
                }
            )
        }
    }

    /// A file that OPEN has opened.
    private struct Opened: Sendable {
        let descriptor: SharedDescriptor
        let isNew: Bool
        let found: FoundFile

        init(_ descriptor: SharedDescriptor, isNew: Bool, in export: ExportRoot) throws(LinuxError) {
            self.descriptor = descriptor
            self.isNew = isNew
            // The table keeps the place alone, not a description that can write.
            self.found = try FoundFile(try descriptor.place(), in: export)
        }
    }

    private static func open(
        _ arguments: OpenArguments,
        _ access: FileAccess,
        in export: ExportRoot,
        at base: SharedDescriptor?
    ) throws(LinuxError) -> (descriptor: SharedDescriptor, isNew: Bool) {
        guard arguments.flags.contains(.create) else {
            return (try export.open(arguments.path, for: access, at: base).shared(), false)
        }
        let file = try export.create(
            arguments.path,
            at: base,
            for: access,
            mode: arguments.mode,
            exclusively: arguments.flags.contains(.exclusive)
        )
        return (file.descriptor, file.isNew)
    }

    private func opened(_ entry: FileEntry, _ opened: Opened, _ arguments: OpenArguments, _ call: ActiveCall) {
        guard arguments.flags.contains(.truncate), !opened.isNew, opened.found.facts.size > 0 else {
            return self.finish(call, .success(self.object(entry, opened.found.facts)))
        }
        self.changeFile(
            entry,
            .truncate,
            offset: 0,
            length: 0,
            waitMilliseconds: arguments.waitMilliseconds,
            call
        ) { result in
            switch result {
            case .failure(let failure):
                self.finish(call, .failure(failure))
            case .success(let finished):
                self.finish(call, .success(self.object(entry, finished.done.facts ?? opened.found.facts)))
            }
        }
    }

    // MARK: REMOVE and RENAME

    func remove(_ arguments: PathArguments, _ call: ActiveCall) {
        self.withFile(arguments.directory, call) { directory in
            let (export, user, base) = (self.export, call.user, self.base(directory))
            let path = arguments.path
            self.findVictim(path, in: directory, call) { victim in
                guard let victim else { return self.finish(call, .noEntry, "there is no such name: check the path") }
                let identity = victim.entry.identity
                self.end(
                    victim,
                    waitMilliseconds: arguments.waitMilliseconds,
                    call,
                    body: { () throws(LinuxError) in
                        try user.run { () throws(LinuxError) in
                            try export.remove(path, at: base, expecting: identity)
                        }
                    }
                )
            }
        }
    }

    func rename(_ arguments: RenameArguments, _ call: ActiveCall) {
        self.withFile(arguments.fromDirectory, call) { fromDirectory in
            self.withFile(arguments.toDirectory, call) { toDirectory in
                let (export, user) = (self.export, call.user)
                let (fromBase, toBase) = (self.base(fromDirectory), self.base(toDirectory))
                self.findVictim(arguments.from, in: fromDirectory, call) { renamed in
                    // Known to fail, or to do nothing, before anybody is asked to give a layout back.
                    guard let renamed else {
                        return self.finish(call, .noEntry, "there is no such name: check the path")
                    }
                    self.findVictim(arguments.to, in: toDirectory, call) { victim in
                        if victim?.entry === renamed.entry { return self.finish(call, .success(.void)) }
                        let replaced = victim?.entry.identity
                        let rename: @Sendable () throws(LinuxError) -> Void = { () throws(LinuxError) in
                            try user.run { () throws(LinuxError) in
                                try export.rename(
                                    arguments.from,
                                    at: fromBase,
                                    to: arguments.to,
                                    at: toBase,
                                    replacing: replaced
                                )
                            }
                        }
                        guard let victim else {
                            return self.work.run(
                                on: nil,
                                { Result<Void, Failure>(catching: rename) },
                                then: { self.finish(call, $0.map { .void }) }
                            )
                        }
                        self.end(victim, waitMilliseconds: arguments.waitMilliseconds, call, body: rename)
                    }
                }
            }
        }
    }

    /// A file that loses a name.
    private struct Victim {
        let entry: FileEntry
        /// Whether the name is its last one, as far as could be seen.
        let isLast: Bool
    }

    /// Looks at what a name stands for, without following a link; `nil` if there is nothing.
    private func findVictim(
        _ path: [UInt8],
        in directory: FileEntry,
        _ call: ActiveCall,
        then body: @escaping (Victim?) -> Void
    ) {
        let (export, user, base) = (self.export, call.user, self.base(directory))
        self.work.run(
            on: nil,
            {
                Result<FoundFile, Failure> { () throws(LinuxError) in
                    try user.run { () throws(LinuxError) in
                        try FoundFile(try export.resolve(path, at: base, followingLast: false), in: export)
                    }
                }
            },
            then: { result in
                switch result {
                case .failure(let failure) where failure.status == .noEntry: body(nil)
                case .failure(let failure): self.finish(call, .failure(failure))
                case .success(let found):
                    let entry = self.enter(found, path: self.path(path, in: directory))
                    body(Victim(entry: entry, isLast: found.facts.type == .regular && found.facts.linkCount == 1))
                }
            }
        )
    }

    /// Takes a name from a file; the last one of a regular file is a change of all of it (R5.2-5).
    private func end(
        _ victim: Victim,
        waitMilliseconds: UInt32,
        _ call: ActiveCall,
        body: @escaping @Sendable () throws(LinuxError) -> Void
    ) {
        let (entry, place) = (victim.entry, victim.entry.place)
        guard !victim.isLast else {
            return self.endFile(entry, waitMilliseconds: waitMilliseconds, call, body: body)
        }
        let isRegular = entry.type == .regular
        self.work.run(
            on: entry.id,
            {
                Result<Bool, Failure> { () throws(LinuxError) in
                    // In the file's order: another name may have gone since, so that this one is the last.
                    if isRegular, try FileFacts(of: place).linkCount <= 1 { return false }
                    try body()
                    return true
                }
            },
            then: { result in
                switch result {
                case .failure(let failure): self.finish(call, .failure(failure))
                case .success(true): self.finish(call, .success(.void))
                case .success(false): self.endFile(entry, waitMilliseconds: waitMilliseconds, call, body: body)
                }
            }
        )
    }

    private func endFile(
        _ entry: FileEntry,
        waitMilliseconds: UInt32,
        _ call: ActiveCall,
        body: @escaping @Sendable () throws(LinuxError) -> Void
    ) {
        let part = MappingChange(file: entry.id, operation: .remove, argument: .all, affected: .all, breaks: .everyone)
        self.register(
            ChangeID(self.nextNumber()),
            [part],
            files: [entry],
            waitMilliseconds: waitMilliseconds,
            call,
            body: {
                let result = Result<ChangeDone, Failure> { () throws(LinuxError) in
                    try body()
                    return ChangeDone()
                }
                return ChangeEffect(didChange: (try? result.get()) != nil, result: result)
            },
            then: { result in
                if case .success = result { self.files.drop(entry.id) { self.engine.isInUse($0) } }
                self.finish(call, result.map { _ in .void })
            }
        )
    }
}

extension FileAccess {
    /// What OPEN's flags ask for; `nil` if that is nothing.
    init?(_ flags: OpenFlags) {
        switch (flags.contains(.read), flags.contains(.write)) {
        case (true, false): self = .read
        case (false, true): self = .write
        case (true, true): self = .readWrite
        case (false, false): return nil
        }
    }
}
