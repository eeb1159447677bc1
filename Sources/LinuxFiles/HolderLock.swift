import CLinuxFiles
package import LayoutCore

/// The locks that prove who can still reach a file.
///
/// Every holder of a layout gets an open file description of its own, with a read lock of that description (`F_OFD_SETLK`,
/// `fcntl(2)`) on a byte of its own, far beyond all data. The lock lives exactly as long as something refers to the
/// description: a descriptor in any process, a mapping, or a descriptor on its way through a socket. So whoever looks at
/// the byte knows whether *this* holder can still reach the file, also after a restart of the server.
///
/// A holder can drop its lock early on purpose, and anybody who may read the file can pretend to be a holder: the locks
/// are proof among those who do not lie.
package enum HolderLock {
    /// The byte of holder 0.
    package static var base: UInt64 { 1 << 62 }
    /// The largest number of a holder.
    package static var holderMax: UInt64 { (1 << 62) - 2 }

    /// Locks the byte of `holder` through the open file description of `descriptor`.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/invalid`` for a number above ``holderMax``;
    ///   ``LayoutCore/LayoutStatus/delay`` if somebody has write-locked the byte; ``LayoutCore/LayoutStatus/resource``.
    package static func set(
        _ descriptor: borrowing some Descriptor & ~Copyable,
        holder: UInt64
    ) throws(LinuxError) {
        let byte = try Self.byte(of: holder)
        try checked(lf_lock_for_reading(descriptor.number, byte, 1), "fcntl", "lock the byte of holder \(holder)")
    }

    /// Unlocks the byte of `holder`: as if its description were closed everywhere.
    package static func clear(
        _ descriptor: borrowing some Descriptor & ~Copyable,
        holder: UInt64
    ) throws(LinuxError) {
        let byte = try Self.byte(of: holder)
        try checked(lf_unlock(descriptor.number, byte, 1), "fcntl", "unlock the byte of holder \(holder)")
    }

    /// Whether somebody else's description still holds the byte of `holder`.
    ///
    /// - Parameters:
    ///   - holder: Its number.
    ///   - probe: The file, through a description that is not the holder's; not `O_PATH`.
    /// - Returns: `false` once nothing refers to the holder's description any more.
    /// - Throws: ``LayoutCore/LayoutStatus/invalid`` for a number above ``holderMax``.
    package static func isHeld(
        by holder: UInt64,
        on probe: borrowing some Descriptor & ~Copyable
    ) throws(LinuxError) -> Bool {
        var found = lf_lock()
        let byte = try Self.byte(of: holder)
        let result = unsafe lf_find_lock(probe.number, byte, 1, &found)
        return try checked(result, "fcntl", "look for the lock of holder \(holder)") == 1
    }

    /// The holders whose locks are on a file.
    package struct Listing: Hashable, Sendable {
        /// Their numbers, ascending.
        package var holders: [UInt64]
        /// Locks on bytes of holders that the server cannot have set: write locks, or of more than one byte.
        ///
        /// Somebody else plays with these bytes.
        package var foreign: [ByteRange]
        /// Whether these are all; if not, the limit was reached.
        package var isComplete: Bool
    }

    /// Lists the holders whose locks are on a file.
    ///
    /// - Parameters:
    ///   - probe: The file, through a description of the caller's own; its own locks are not seen. Not `O_PATH`.
    ///   - limit: At most so many locks.
    /// - Returns: The holders, and what else is there.
    /// - Throws: ``LayoutCore/LayoutStatus/serverFault`` for a descriptor from `O_PATH`.
    /// - Complexity: At most two system calls per lock, each of which walks over the file's locks.
    package static func list(
        on probe: borrowing some Descriptor & ~Copyable,
        limit: Int
    ) throws(LinuxError) -> Listing {
        var listing = Listing(holders: [], foreign: [], isComplete: true)
        // The kernel returns one lock of the asked bytes, not the lowest: look on both sides of each that is found.
        let bytesMax = UInt64(Int64.max)
        var open = [(first: Self.base, last: bytesMax - 1)]
        while let (first, last) = open.popLast() {
            guard listing.holders.count + listing.foreign.count < limit else {
                listing.isComplete = false
                break
            }
            var found = lf_lock()
            let result = unsafe lf_find_lock(probe.number, Int64(first), Int64(last - first) + 1, &found)
            guard try checked(result, "fcntl", "list the holders' locks") == 1 else { continue }
            let start = max(UInt64(clamping: found.start), first)
            let end = found.length == 0 ? bytesMax : UInt64(clamping: found.start) &+ UInt64(clamping: found.length)
            guard let bytes = ByteRange(start, max(min(end, last + 1), start + 1)) else { continue }
            if found.is_write != 0 || found.length != 1 {
                listing.foreign.append(bytes)
            } else {
                listing.holders.append(start - Self.base)
            }
            if start > first { open.append((first, start - 1)) }
            if bytes.upperBound <= last { open.append((bytes.upperBound, last)) }
        }
        listing.holders.sort()
        listing.foreign.sort { $0.lowerBound < $1.lowerBound }
        return listing
    }

    private static func byte(of holder: UInt64) throws(LinuxError) -> Int64 {
        guard holder <= Self.holderMax else {
            throw LinuxError(
                refusing: .invalid,
                "there is no lock byte for holder \(holder); number holders up to \(Self.holderMax)"
            )
        }
        return Int64(Self.base + holder)
    }
}
