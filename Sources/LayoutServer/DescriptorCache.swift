import LayoutCore
import LinuxFiles

/// Files that were opened for a user, to be used again for the same user only.
///
/// Opening checks the permission; what was opened for one user never serves another. Bound to its event loop.
struct DescriptorCache {
    private struct Key: Hashable {
        let file: FileID
        let user: UserIdentity
        let access: FileAccess
    }

    private struct Entry {
        let descriptor: SharedDescriptor
        var lastUse: UInt64
    }

    private let limit: Int
    private var entries: [Key: Entry] = [:]
    private var uses: UInt64 = 0

    init(limit: Int) { self.limit = max(1, limit) }

    mutating func find(_ file: FileID, for user: UserIdentity, _ access: FileAccess) -> SharedDescriptor? {
        let key = Key(file: file, user: user, access: access)
        guard let descriptor = self.entries[key]?.descriptor else { return nil }
        self.uses += 1
        self.entries[key]?.lastUse = self.uses
        return descriptor
    }

    /// - Complexity: O(limit) when it is full.
    mutating func insert(
        _ descriptor: SharedDescriptor,
        _ file: FileID,
        for user: UserIdentity,
        _ access: FileAccess
    ) {
        let key = Key(file: file, user: user, access: access)
        guard self.entries[key] == nil else { return }
        if self.entries.count >= self.limit, let oldest = self.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            self.entries[oldest.key] = nil
        }
        self.uses += 1
        self.entries[key] = Entry(descriptor: descriptor, lastUse: self.uses)
    }

    /// Closes what is open of a file: its permissions have changed, or it goes.
    mutating func drop(_ file: FileID) {
        for key in self.entries.keys where key.file == file { self.entries[key] = nil }
    }
}
