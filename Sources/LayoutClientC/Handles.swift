internal import CLayoutClientABI
internal import Glibc
internal import LayoutClient

/// The tables of everything that C has opened.
enum Handles {
    static let clients = HandleTable<ClientHandle>(kind: 1)
    static let files = HandleTable<FileHandle>(kind: 2)
    static let accesses = HandleTable<AccessHandle>(kind: 3)

    static func client(_ handle: OpaquePointer?) throws(CallFailure) -> ClientHandle {
        guard let client = unsafe self.clients[handle] else { throw .notAClient }
        return client
    }

    static func file(_ handle: OpaquePointer?) throws(CallFailure) -> FileHandle {
        guard let file = unsafe self.files[handle] else { throw .notAFile }
        return file
    }
}

/// A connected client.
final class ClientHandle: Sendable {
    let client: LayoutClient
    /// Bytes of a window of `ll_mmap`.
    let windowSize: Int
    let listener = RecallListenerSlot()

    init(_ client: LayoutClient, windowSize: Int) {
        self.client = client
        self.windowSize = windowSize
    }
}

/// An open file.
final class FileHandle: Sendable {
    let file: LayoutFile
    let client: ClientHandle
    /// `O_WRONLY` reads nothing, though the library could.
    let isReadable: Bool

    var isWritable: Bool { self.file.access == .readWrite }

    init(_ file: LayoutFile, of client: ClientHandle, isReadable: Bool) {
        self.file = file
        self.client = client
        self.isReadable = isReadable
    }
}

extension CallFailure {
    static var notAClient: CallFailure {
        CallFailure(ENOTCONN, "the client is NULL, was disconnected, or is none: pass what ll_connect has returned")
    }

    static var notAFile: CallFailure {
        CallFailure(EBADF, "the file is NULL, was closed, or is none: pass what ll_open has returned")
    }

    static var tooManyHandles: CallFailure {
        CallFailure(EMFILE, "16,777,216 handles are open: close some")
    }

    /// What a thread hears that would wait for itself.
    static var holdsAccess: CallFailure {
        CallFailure(
            EDEADLK,
            "the calling thread holds an access, for which this call would have to wait: call ll_end_access first"
        )
    }
}

/// Makes sure that the calling thread holds no access, for calls that wait until accesses end.
func checkHoldsNoAccess() throws(CallFailure) {
    guard ll_internal_accesses() == 0 else { throw .holdsAccess }
}
