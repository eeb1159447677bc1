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
            let work = OpenWork(
                arguments: arguments,
                access: access,
                user: call.user,
                export: self.export,
                directory: NamedDirectory(base: self.base(directory), locator: directory.locator)
            )
            self.runRecorded(
                on: nil,
                call,
                work.run,
                then: { result in
                    switch result {
                    case .failure(let failure): self.finish(call, .failure(failure))
                    case .success(let opened):
                        let entry = self.enter(opened.found, path: self.path(arguments.path, in: directory))
                        self.opened.insert(opened.descriptor, entry.id, for: call.user, access)
                        self.opened(entry, opened, arguments, call)
                    }
                }
            )
        }
    }

    private func opened(_ entry: FileEntry, _ opened: OpenWork.Opened, _ arguments: OpenArguments, _ call: ActiveCall) {
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
            self.findVictim(arguments.path, in: directory, call) { victim in
                guard let victim else { return self.finish(call, .noEntry, "there is no such name: check the path") }
                let work = RemoveWork(
                    path: arguments.path,
                    directory: NamedDirectory(base: self.base(directory), locator: directory.locator),
                    victim: victim.entry.identity,
                    user: call.user,
                    export: self.export
                )
                self.end(victim, waitMilliseconds: arguments.waitMilliseconds, call, body: work.run)
            }
        }
    }

    func rename(_ arguments: RenameArguments, _ call: ActiveCall) {
        self.withFile(arguments.fromDirectory, call) { fromDirectory in
            self.withFile(arguments.toDirectory, call) { toDirectory in
                self.findVictim(arguments.from, in: fromDirectory, call) { renamed in
                    // Known to fail, or to do nothing, before anybody is asked to give a layout back.
                    guard let renamed else {
                        return self.finish(call, .noEntry, "there is no such name: check the path")
                    }
                    self.findVictim(arguments.to, in: toDirectory, call) { victim in
                        if victim?.entry === renamed.entry { return self.finish(call, .success(.void)) }
                        let work = RenameWork(
                            from: arguments.from,
                            fromDirectory: NamedDirectory(
                                base: self.base(fromDirectory),
                                locator: fromDirectory.locator
                            ),
                            to: arguments.to,
                            toDirectory: NamedDirectory(base: self.base(toDirectory), locator: toDirectory.locator),
                            renamed: renamed.entry.identity,
                            replaced: victim?.entry.identity,
                            user: call.user,
                            export: self.export
                        )
                        guard let victim else {
                            return self.runRecorded(on: nil, call, work.run) { result in
                                self.finish(call, result.map { .void })
                            }
                        }
                        self.end(victim, waitMilliseconds: arguments.waitMilliseconds, call, body: work.run)
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
        body: @escaping @Sendable (ChangeRecorder) -> RecordedChange<Void>
    ) {
        let (entry, place) = (victim.entry, victim.entry.place)
        guard !victim.isLast else {
            return self.endFile(entry, waitMilliseconds: waitMilliseconds, call, body: body)
        }
        let isRegular = entry.type == .regular
        self.runRecorded(
            on: entry.id,
            call,
            { recorder -> RecordedChange<Bool> in
                do throws(LinuxError) {
                    // In the file's order: another name may have gone since, so that this one is the last.
                    if isRegular, try FileFacts(of: place).linkCount <= 1 { return .notBegun(.success(false)) }
                } catch {
                    return .notBegun(.failure(error))
                }
                return body(recorder).map { true }
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
        body: @escaping @Sendable (ChangeRecorder) -> RecordedChange<Void>
    ) {
        let part = MappingChange(file: entry.id, operation: .remove, argument: .all, affected: .all, breaks: .everyone)
        let recorder = self.recorder(for: call)
        self.register(
            [part],
            files: [entry],
            waitMilliseconds: waitMilliseconds,
            call,
            body: {
                let change = body(recorder)
                return ChangeEffect(
                    didChange: (try? change.made.get()) != nil,
                    result: change.result.map { ChangeDone() },
                    record: change.record
                )
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
