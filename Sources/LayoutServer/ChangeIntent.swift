import LayoutCore
import LayoutXDR
import LinuxFiles
import NIOCore

/// What is written down of a change before its system call.
///
/// Enough to find out after a crash whether it was made, to make it once more where that does no harm, and to answer
/// its caller.
struct ChangeIntent: Hashable, Sendable {
    var procedure: Procedure
    /// The call's arguments as they came.
    var arguments: [UInt8]
    var subject: Subject

    /// What is changed, and how to tell whether it was; files and directories are named by their locators.
    enum Subject: Hashable, Sendable {
        /// The mapping of one file.
        case mapping(Mapping)
        /// Blocks of one file become another one's too.
        case clone(source: [UInt8], destination: [UInt8], from: ByteRange, to: ByteRange)
        /// A file or directory is made, by this user, not before this time.
        case create(directory: [UInt8], uid: UInt32, after: LinuxFiles.FileTime)
        /// A name is taken away from a file.
        case remove(directory: [UInt8], FileIdentity)
        /// A file gets another name.
        case rename(from: [UInt8], to: [UInt8], FileIdentity)
        /// Attributes of a file are set, with the permissions of this user.
        case attributes(file: [UInt8], UserIdentity)
    }

    /// A change of one file's mapping.
    struct Mapping: Hashable, Sendable {
        var operation: MappingOperation
        var file: [UInt8]
        /// The operation's own bytes, as they were worked out; for truncate, the new size is the lower bound.
        var argument: ByteRange
        var keepsSize: Bool
        /// The file's size before, in bytes.
        var size: UInt64
        /// For an insert or collapse: the extents before (``LinuxFiles/ExtentFingerprint``).
        var fingerprint: [UInt8]
    }
}

/// The form in the store: a version, then the fields in order; numbers big-endian, bytes behind their count.
extension ChangeIntent {
    private static var version: UInt8 { 1 }

    var encoded: [UInt8] {
        var buffer = ByteBufferAllocator().buffer(capacity: 512)
        buffer.writeInteger(Self.version)
        buffer.writeInteger(self.procedure.rawValue)
        buffer.writeCounted(self.arguments)
        switch self.subject {
        case .mapping(let mapping):
            buffer.writeInteger(UInt8(1))
            buffer.writeInteger(mapping.operation.rawValue)
            buffer.writeCounted(mapping.file)
            buffer.writeRange(mapping.argument)
            buffer.writeInteger(UInt8(mapping.keepsSize ? 1 : 0))
            buffer.writeInteger(mapping.size)
            buffer.writeCounted(mapping.fingerprint)
        case .clone(let source, let destination, let from, let to):
            buffer.writeInteger(UInt8(2))
            buffer.writeCounted(source)
            buffer.writeCounted(destination)
            buffer.writeRange(from)
            buffer.writeRange(to)
        case .create(let directory, let uid, let after):
            buffer.writeInteger(UInt8(3))
            buffer.writeCounted(directory)
            buffer.writeInteger(uid)
            buffer.writeInteger(after.seconds)
            buffer.writeInteger(after.nanoseconds)
        case .remove(let directory, let identity):
            buffer.writeInteger(UInt8(4))
            buffer.writeCounted(directory)
            buffer.writeIdentity(identity)
        case .rename(let from, let to, let identity):
            buffer.writeInteger(UInt8(5))
            buffer.writeCounted(from)
            buffer.writeCounted(to)
            buffer.writeIdentity(identity)
        case .attributes(let file, let user):
            buffer.writeInteger(UInt8(6))
            buffer.writeCounted(file)
            buffer.writeUser(user)
        }
        return Array(buffer.readableBytesView)
    }

    /// Reads what ``encoded`` has made; `nil` if it is something else.
    init?(decoding bytes: [UInt8]) {
        var buffer = ByteBuffer(bytes: bytes)
        guard buffer.readInteger(as: UInt8.self) == Self.version,
            let procedure = buffer.readInteger(as: UInt32.self).flatMap(Procedure.init(rawValue:)),
            let arguments = buffer.readCounted(), let kind = buffer.readInteger(as: UInt8.self),
            let subject = Self.subject(kind, &buffer), buffer.readableBytes == 0
        else { return nil }
        self.init(procedure: procedure, arguments: arguments, subject: subject)
    }

    private static func subject(_ kind: UInt8, _ buffer: inout ByteBuffer) -> Subject? {
        switch kind {
        case 1:
            return Self.mapping(&buffer).map { .mapping($0) }
        case 2:
            guard let source = buffer.readCounted(), let destination = buffer.readCounted(),
                let from = buffer.readRange(), let to = buffer.readRange()
            else { return nil }
            return .clone(source: source, destination: destination, from: from, to: to)
        case 3:
            guard let directory = buffer.readCounted(), let uid = buffer.readInteger(as: UInt32.self),
                let seconds = buffer.readInteger(as: Int64.self), let rest = buffer.readInteger(as: UInt32.self)
            else { return nil }
            let after = LinuxFiles.FileTime(seconds: seconds, nanoseconds: rest)
            return .create(directory: directory, uid: uid, after: after)
        case 4:
            guard let directory = buffer.readCounted(), let identity = buffer.readIdentity() else { return nil }
            return .remove(directory: directory, identity)
        case 5:
            guard let from = buffer.readCounted(), let to = buffer.readCounted(),
                let identity = buffer.readIdentity()
            else { return nil }
            return .rename(from: from, to: to, identity)
        case 6:
            guard let file = buffer.readCounted(), let user = buffer.readUser() else { return nil }
            return .attributes(file: file, user)
        default:
            return nil
        }
    }

    private static func mapping(_ buffer: inout ByteBuffer) -> Mapping? {
        guard let operation = buffer.readInteger(as: UInt32.self).flatMap(MappingOperation.init(rawValue:)),
            let file = buffer.readCounted(), let argument = buffer.readRange(),
            let keepsSize = buffer.readInteger(as: UInt8.self), let size = buffer.readInteger(as: UInt64.self),
            let fingerprint = buffer.readCounted()
        else { return nil }
        return Mapping(
            operation: operation,
            file: file,
            argument: argument,
            keepsSize: keepsSize != 0,
            size: size,
            fingerprint: fingerprint
        )
    }
}

extension ByteBuffer {
    fileprivate mutating func writeCounted(_ bytes: [UInt8]) {
        self.writeInteger(UInt32(clamping: bytes.count))
        self.writeBytes(bytes)
    }

    fileprivate mutating func readCounted() -> [UInt8]? {
        guard let count = self.readInteger(as: UInt32.self) else { return nil }
        return self.readBytes(length: Int(count))
    }

    fileprivate mutating func writeRange(_ range: ByteRange) {
        self.writeInteger(range.lowerBound)
        self.writeInteger(range.upperBound)
    }

    fileprivate mutating func readRange() -> ByteRange? {
        guard let lower = self.readInteger(as: UInt64.self), let upper = self.readInteger(as: UInt64.self) else {
            return nil
        }
        return ByteRange(lower, upper)
    }

    fileprivate mutating func writeUser(_ user: UserIdentity) {
        self.writeInteger(user.uid)
        self.writeInteger(user.gid)
        self.writeInteger(UInt32(clamping: user.groups.count))
        for group in user.groups { self.writeInteger(group) }
    }

    fileprivate mutating func readUser() -> UserIdentity? {
        guard let uid = self.readInteger(as: UInt32.self), let gid = self.readInteger(as: UInt32.self),
            let count = self.readInteger(as: UInt32.self), Int(count) <= UserIdentity.groupsMax
        else { return nil }
        var groups: [UInt32] = []
        for _ in 0..<count {
            guard let group = self.readInteger(as: UInt32.self) else { return nil }
            groups.append(group)
        }
        return UserIdentity(uid: uid, gid: gid, groups: groups)
    }

    fileprivate mutating func writeIdentity(_ identity: FileIdentity) {
        self.writeInteger(identity.fileSystem)
        self.writeInteger(identity.inode)
        self.writeInteger(identity.generation)
    }

    fileprivate mutating func readIdentity() -> FileIdentity? {
        guard let fileSystem = self.readInteger(as: UInt64.self), let inode = self.readInteger(as: UInt64.self),
            let generation = self.readInteger(as: UInt64.self)
        else { return nil }
        return FileIdentity(fileSystem: fileSystem, inode: inode, generation: generation)
    }
}
