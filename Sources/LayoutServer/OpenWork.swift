import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles

/// OPEN on a thread that may block: opens a file, and makes it if there is none and the caller wants one.
struct OpenWork: Sendable {
    let arguments: OpenArguments
    let access: FileAccess
    let user: UserIdentity
    let export: ExportRoot
    /// The directory that the path starts at.
    let directory: NamedDirectory

    /// A file that is open.
    struct Opened: Sendable {
        let descriptor: SharedDescriptor
        /// Whether the call made it.
        let isNew: Bool
        let found: FoundFile

        init(_ descriptor: SharedDescriptor, isNew: Bool, in export: ExportRoot) throws(LinuxError) {
            self.descriptor = descriptor
            self.isNew = isNew
            // The table keeps the place alone, not a description that can write.
            self.found = try FoundFile(try descriptor.place(), in: export)
        }
    }

    /// Opens the file; only a call that makes one leaves an intent.
    func run(_ recorder: ChangeRecorder) -> RecordedChange<Opened> {
        guard self.arguments.flags.contains(.exclusive) else {
            let existing = Result<Opened, LinuxError> { () throws(LinuxError) in try self.openExisting() }
            switch existing {
            case .failure(let error) where error.errno == ENOENT && self.arguments.flags.contains(.create): break
            case .success, .failure: return .notBegun(existing)
            }
            return self.create(recorder)
        }
        return self.create(recorder)
    }

    private func openExisting() throws(LinuxError) -> Opened {
        let descriptor = try self.user.run { () throws(LinuxError) in
            try self.export.open(self.arguments.path, for: self.access, at: self.directory.base).shared()
        }
        return try Opened(descriptor, isNew: false, in: self.export)
    }

    private func create(_ recorder: ChangeRecorder) -> RecordedChange<Opened> {
        let subject = ChangeIntent.Subject.create(
            directory: self.directory.locator,
            uid: self.user.uid,
            after: Host.wallClock
        )
        return recorder.run(subject) { () throws(LinuxError) in
            let file = try self.user.run { () throws(LinuxError) in
                try self.export.create(
                    self.arguments.path,
                    at: self.directory.base,
                    for: self.access,
                    mode: self.arguments.mode,
                    exclusively: self.arguments.flags.contains(.exclusive)
                )
            }
            return try Opened(file.descriptor, isNew: file.isNew, in: self.export)
        } synchronize: { opened throws(LinuxError) in
            if opened.isNew { try self.export.synchronizeParent(of: self.arguments.path, at: self.directory.base) }
        }
    }
}
