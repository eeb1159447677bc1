import LayoutHolder
import Synchronization

/// The pins that the current task holds over suspensions, so that it is not made to wait for itself.
enum PinScope {
    /// One access with ``MappedRegion/withPinnedBytes(_:_:_:)``.
    final class Mark: Sendable {
        let client: ObjectIdentifier
        let windows: Set<LayoutHolder.WindowID>
        /// An unstructured task inherits the value and may outlive the access.
        let isActive = Atomic(true)

        init(_ client: LayoutClient, _ windows: Set<LayoutHolder.WindowID>) {
            self.client = ObjectIdentifier(client)
            self.windows = windows
        }
    }

    @TaskLocal static var marks: [Mark] = []

    /// The windows of a client that the task pins.
    static func windows(of client: LayoutClient) -> Set<LayoutHolder.WindowID> {
        let id = ObjectIdentifier(client)
        return self.marks.reduce(into: []) { windows, mark in
            guard mark.client == id, mark.isActive.load(ordering: .acquiring) else { return }
            windows.formUnion(mark.windows)
        }
    }
}
