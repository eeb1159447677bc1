import CLinuxFiles

/// An open file descriptor that stays open as long as this value lives.
package protocol Descriptor: ~Copyable {
    /// The number. Never close it, and do not keep it longer than this value.
    var number: CInt { get }
}

extension Descriptor where Self: ~Copyable {
    /// Makes a second descriptor of the same open file description, close-on-exec (`F_DUPFD_CLOEXEC`).
    ///
    /// Locks, the file position and leases belong to the description, so both share them.
    /// - Throws: ``LayoutCore/LayoutStatus/resource`` if this process has too many open files.
    package borrowing func duplicate() throws(LinuxError) -> OwnedDescriptor {
        OwnedDescriptor(
            adopting: try checked(lf_duplicate(self.number), "fcntl", "duplicate descriptor \(self.number)")
        )
    }

    /// Opens what this descriptor refers to once more, as an open file description of its own.
    ///
    /// Works with a descriptor from `O_PATH`; permissions are checked again, for the identity of the calling thread.
    /// Needs `/proc`. Never waits for another process: where a lease would have to be broken first, the call fails
    /// with ``LayoutCore/LayoutStatus/delay``, and the lease is being broken.
    /// - Precondition: This is a regular file or a directory; a FIFO or a device must not be opened.
    package borrowing func reopened(
        for access: FileAccess,
        _ attempt: @autoclosure () -> String = "open a file again"
    ) throws(LinuxError) -> OwnedDescriptor {
        let opened = OwnedDescriptor(
            adopting: try checked(
                uninterrupted { lf_reopen(self.number, access.flags | OpenFlag.withoutWaiting) },
                "open",
                attempt()
            )
        )
        try checked(lf_make_blocking(opened.number), "fcntl", attempt())
        return opened
    }
}

/// A file descriptor with one owner; closed when its owner goes.
package struct OwnedDescriptor: Descriptor, ~Copyable, Sendable {
    package let number: CInt

    /// Takes over a descriptor that nobody else closes.
    package init(adopting number: CInt) {
        precondition(number >= 0, "\(number) is not a file descriptor")
        self.number = number
    }

    init(adopting number: Int64) { self.init(adopting: CInt(number)) }

    deinit {
        // EINTR and EIO come after the number is free; another close could hit somebody else's file (close(2)).
        _ = lf_close(self.number)
    }

    /// Gives the descriptor up: from now on the caller closes it.
    package consuming func release() -> CInt {
        let number = self.number
        discard self
        return number
    }

    /// Makes a descriptor that several owners may share; closed with the last of them.
    package consuming func shared() -> SharedDescriptor { SharedDescriptor(self) }
}

/// A file descriptor that several threads share; closed when the last reference goes.
package final class SharedDescriptor: Descriptor, Sendable {
    package let number: CInt

    /// Takes over the descriptor.
    package init(_ descriptor: consuming OwnedDescriptor) { self.number = descriptor.release() }

    deinit { _ = lf_close(self.number) }
}

extension SharedDescriptor: CustomStringConvertible {
    /// `descriptor 7`.
    package var description: String { "descriptor \(self.number)" }
}
