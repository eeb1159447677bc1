import LayoutCore
import LeaseEngine
import LinuxFiles

/// A file or directory that clients have handles of.
///
/// Bound to the event loop of its table.
final class FileEntry {
    /// The engine's name of the file.
    let id: FileID
    /// The name on the wire.
    let handle: FileHandle
    let identity: FileIdentity
    let type: FileType
    /// A place in the tree (`O_PATH`): keeps the inode, so that its number cannot become another file's.
    let place: SharedDescriptor
    /// The path below the export by which it was found last, for people.
    var path: [UInt8]
    /// What is known of its extents, as long as somebody holds a layout.
    var extents = ExtentCache()
    /// Those who hold layouts.
    var holders: Set<LeaseEngine.HolderID> = []
    /// Whether no descriptor that an earlier server passed can reach the file any more (specification R8.3-11).
    var isFreeOfOldHolders = false
    /// The lock bytes of the holders that an earlier life has left to this one.
    var recoveredLocks: Set<UInt64> = []
    /// Whether a later life is told of the file.
    var isStored = false
    /// Whether local programs wait before they change it.
    var guarding = FileGuarding.off
    /// Nobody can write to it whom the guard does not see; once so it stays so, for as long as the guard lives.
    var hasNoEarlierWriters = false
    /// Local programs' changes that may be moving its bytes right now.
    var localShifts = 0
    /// How it was found when it was entered.
    private let found: FileLocator
    fileprivate var older: FileID?
    fileprivate var newer: FileID?

    fileprivate init(id: FileID, handle: FileHandle, found: FoundFile, path: [UInt8]) {
        self.id = id
        self.handle = handle
        self.identity = found.identity
        self.found = found.locator
        self.type = found.facts.type
        self.place = found.place
        self.path = path
    }

    /// By which a later life finds the file again; empty for the root.
    var locator: [UInt8] {
        self.handle == .root ? [] : self.found.at(self.path).bytes
    }

    /// The path as text.
    var pathText: String { String(decoding: self.path, as: UTF8.self) }
}

/// How far a file is guarded.
enum FileGuarding {
    /// Nobody holds a layout, or nothing guards the export. Next: `starting`.
    case off
    /// A thread is at it. Next: `watched` or `failed`.
    case starting
    case watched
    /// The kernel has refused. Next: `off`, with the last layout.
    case failed
}

/// A file that was found in the tree, on its way to the table.
struct FoundFile: Sendable {
    let place: SharedDescriptor
    /// How it is found again, without its path.
    let locator: FileLocator
    let facts: FileFacts

    var identity: FileIdentity { self.locator.identity }

    /// Looks at a place.
    ///
    /// Blocks.
    init(_ place: consuming OwnedDescriptor, in root: ExportRoot) throws(LinuxError) {
        self.locator = try FileLocator(of: place, at: [], in: root)
        self.facts = try FileFacts(of: place)
        self.place = place.shared()
    }
}

/// The files that clients have handles of, by handle and by the engine's number; the root is always there.
///
/// At most ``limit`` are kept, the least recently used go first; those that the engine uses stay whatever the limit
/// says, and the engine bounds those. Bound to its event loop.
final class FileTable {
    let root: FileEntry
    private let codec: FileHandleCodec
    private let limit: Int
    private var byHandle: [FileHandle: FileEntry] = [:]
    private var byID: [FileID: FileEntry] = [:]
    private var oldest: FileID?
    private var newest: FileID?
    private var lastNumber: UInt64 = 0
    /// Called for each file that is dropped.
    var dropped: ((FileEntry) -> Void)?

    /// Makes a table with nothing but the root in it.
    init(root: FoundFile, codec: FileHandleCodec, limit: Int) {
        self.codec = codec
        self.limit = max(limit, 16)
        self.root = FileEntry(id: FileID(0), handle: .root, found: root, path: [])
    }

    var count: Int { self.byID.count }

    /// Every file but the root, in order of age.
    var all: [FileEntry] { self.byID.values.sorted { $0.id < $1.id } }

    /// The file of a handle, if it is in the table; it counts as used.
    func find(_ handle: FileHandle) -> FileEntry? {
        if handle == .root { return self.root }
        guard let entry = self.byHandle[handle] else { return nil }
        self.touch(entry)
        return entry
    }

    func find(_ id: FileID) -> FileEntry? { id == self.root.id ? self.root : self.byID[id] }

    /// The file that a handle stands for, though it is not in the table.
    func identity(of handle: FileHandle) throws(LinuxError) -> FileIdentity { try self.codec.decode(handle) }

    /// Enters a file, or finds it there.
    ///
    /// `path` is below the export, the last one counts; `isInUse` says whether the engine needs a file to stay.
    func insert(_ found: FoundFile, path: [UInt8], isInUse: (FileID) -> Bool) -> FileEntry {
        if found.identity == self.root.identity { return self.root }
        let handle = self.codec.encode(found.identity)
        if let entry = self.byHandle[handle] {
            if !path.isEmpty { entry.path = path }
            self.touch(entry)
            return entry
        }
        self.makeRoom(isInUse)
        self.lastNumber += 1
        let entry = FileEntry(id: FileID(self.lastNumber), handle: handle, found: found, path: path)
        self.byHandle[handle] = entry
        self.byID[entry.id] = entry
        self.append(entry)
        return entry
    }

    /// Drops a file that is gone, unless the engine uses it.
    func drop(_ id: FileID, isInUse: (FileID) -> Bool) {
        guard let entry = self.byID[id], !isInUse(id) else { return }
        self.remove(entry)
    }

    private func makeRoom(_ isInUse: (FileID) -> Bool) {
        // A bounded look: where everything old is in use, the table grows by one.
        var looks = 32
        while self.byID.count >= self.limit, looks > 0, let oldest = self.oldest, let entry = self.byID[oldest] {
            looks -= 1
            if isInUse(entry.id) { self.touch(entry) } else { self.remove(entry) }
        }
    }

    private func remove(_ entry: FileEntry) {
        self.unlink(entry)
        self.byHandle[entry.handle] = nil
        self.byID[entry.id] = nil
        self.dropped?(entry)
    }

    // MARK: Order of use

    private func touch(_ entry: FileEntry) {
        guard self.newest != entry.id else { return }
        self.unlink(entry)
        self.append(entry)
    }

    private func append(_ entry: FileEntry) {
        entry.older = self.newest
        entry.newer = nil
        if let newest = self.newest { self.byID[newest]?.newer = entry.id }
        self.newest = entry.id
        if self.oldest == nil { self.oldest = entry.id }
    }

    private func unlink(_ entry: FileEntry) {
        if let older = entry.older { self.byID[older]?.newer = entry.newer } else { self.oldest = entry.newer }
        if let newer = entry.newer { self.byID[newer]?.older = entry.older } else { self.newest = entry.older }
        entry.older = nil
        entry.newer = nil
    }
}
