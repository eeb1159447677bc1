package import LayoutCore

/// Makes the 32 bytes that stand for a file on the wire, and checks those that come back.
///
/// Inode, generation, filesystem and a keyed code over the three, eight bytes each. Whoever does not know the key cannot
/// make a handle of a file that the server did not show it, and a flipped bit is noticed. With the same key handles
/// stay good over restarts of the server.
package struct FileHandleCodec: Hashable, Sendable {
    private let key: SipHash.Key

    /// Makes a codec with a secret of 128 bits.
    package init(key: Opaque16) { self.key = SipHash.Key(key.low, key.high) }

    /// The handle of a file; never all zero but by a chance of 2^-64, as that is the root's.
    package func encode(_ identity: FileIdentity) -> FileHandle {
        FileHandle(
            low: Opaque16(low: identity.inode, high: identity.generation),
            high: Opaque16(low: identity.fileSystem, high: self.code(for: identity))
        )
    }

    /// The file that a handle stands for.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/badHandle`` if this codec, or one with the same key, did not make it. That goes
    ///   for ``LayoutCore/FileHandle/root`` too: it is the caller's to recognise.
    package func decode(_ handle: FileHandle) throws(LinuxError) -> FileIdentity {
        let identity = FileIdentity(fileSystem: handle.high.low, inode: handle.low.low, generation: handle.low.high)
        guard self.code(for: identity) == handle.high.high else {
            throw LinuxError(
                refusing: .badHandle,
                "a file handle is not one of this server, or was damaged on its way; look the file up again"
            )
        }
        return identity
    }

    private func code(for identity: FileIdentity) -> UInt64 {
        var hash = SipHash(key: self.key)
        hash.combine(identity.inode)
        hash.combine(identity.generation)
        hash.combine(identity.fileSystem)
        return hash.finish()
    }
}
