import LayoutCore
import LayoutXDR
import LinuxFiles

/// A directory that a path starts at, for threads that may block.
struct NamedDirectory: Sendable {
    /// `nil` for the export itself.
    let base: SharedDescriptor?
    /// By which a later life finds it again.
    let locator: [UInt8]
}

/// CREATE.
struct MakeDirectoryWork: Sendable {
    let path: [UInt8]
    let mode: UInt32
    let directory: NamedDirectory
    let user: UserIdentity
    let export: ExportRoot

    /// Makes the directory, as the user.
    func run(_ recorder: ChangeRecorder) -> RecordedChange<Void> {
        let subject = ChangeIntent.Subject.create(
            directory: self.directory.locator,
            uid: self.user.uid,
            after: Host.wallClock
        )
        return recorder.run(subject) { () throws(LinuxError) in
            try self.user.run { () throws(LinuxError) in
                try self.export.makeDirectory(self.path, at: self.directory.base, mode: self.mode)
            }
        } synchronize: { _ throws(LinuxError) in
            try self.export.synchronizeParent(of: self.path, at: self.directory.base)
        }
    }
}

/// REMOVE.
struct RemoveWork: Sendable {
    let path: [UInt8]
    let directory: NamedDirectory
    /// The file that the name stands for.
    let victim: FileIdentity
    let user: UserIdentity
    let export: ExportRoot

    /// Takes the name away, as the user.
    func run(_ recorder: ChangeRecorder) -> RecordedChange<Void> {
        recorder.run(.remove(directory: self.directory.locator, self.victim)) { () throws(LinuxError) in
            try self.user.run { () throws(LinuxError) in
                try self.export.remove(self.path, at: self.directory.base, expecting: self.victim)
            }
        } synchronize: { _ throws(LinuxError) in
            try self.export.synchronizeParent(of: self.path, at: self.directory.base)
        }
    }
}

/// RENAME.
struct RenameWork: Sendable {
    let from: [UInt8]
    let fromDirectory: NamedDirectory
    let to: [UInt8]
    let toDirectory: NamedDirectory
    /// The file that gets another name.
    let renamed: FileIdentity
    /// The file that loses its name by that.
    let replaced: FileIdentity?
    let user: UserIdentity
    let export: ExportRoot

    /// Gives the file its new name, as the user.
    func run(_ recorder: ChangeRecorder) -> RecordedChange<Void> {
        let subject = ChangeIntent.Subject.rename(
            from: self.fromDirectory.locator,
            to: self.toDirectory.locator,
            self.renamed
        )
        return recorder.run(subject) { () throws(LinuxError) in
            try self.user.run { () throws(LinuxError) in
                try self.export.rename(
                    self.from,
                    at: self.fromDirectory.base,
                    to: self.to,
                    at: self.toDirectory.base,
                    replacing: self.replaced
                )
            }
        } synchronize: { _ throws(LinuxError) in
            // The new name first: in between the file has both, and not neither.
            try self.export.synchronizeParent(of: self.to, at: self.toDirectory.base)
            try self.export.synchronizeParent(of: self.from, at: self.fromDirectory.base)
        }
    }
}
