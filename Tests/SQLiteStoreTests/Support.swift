import Glibc
import LayoutCore
import Recovery
import RecoveryScript
import TestSupport

@testable import SQLiteStore

/// A state directory of a test's own, which does not exist at first.
final class State: Sendable {
    private let directory: TestDirectory
    let path: String

    /// In memory where that is possible: these tests are about what is written, and not about the disk.
    init(in parent: String = unsafe access("/dev/shm", W_OK) == 0 ? "/dev/shm" : TestDirectory.base) throws {
        self.directory = try TestDirectory(in: parent)
        self.path = self.directory.file("state")
    }

    func open(
        _ mode: SQLiteStore.Mode = .existingOrNew,
        identity: StoreIdentity = RecoveryScript.identity
    ) throws(RecoveryStoreError) -> SQLiteStore {
        try SQLiteStore.open(directory: self.path, identity: identity, mode: mode)
    }

    /// What a server would find.
    func load() throws(RecoveryStoreError) -> RecoveredState {
        let store = try self.open()
        defer { store.close() }
        return try store.load()
    }

    /// The error that opening and loading ends with.
    func refusal(_ mode: SQLiteStore.Mode = .existingOrNew) -> RecoveryStoreError? {
        do throws(RecoveryStoreError) {
            let store = try self.open(mode)
            defer { store.close() }
            _ = try store.load()
            return nil
        } catch {
            return error
        }
    }

    func file(_ name: String) -> String { "\(self.path)/\(name)" }

    /// The files of the store, as a process that was killed now would leave them.
    func snapshot() throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for name in ["recovery.sqlite", "recovery.sqlite-wal", "last-write"] {
            files[name] = try? readFile(self.file(name))
        }
        return files
    }

    /// Replaces the files of the store; those that are not named are removed.
    func restore(_ files: [String: [UInt8]]) throws {
        for file in StoreFile.allCases { unsafe unlink(self.file(file.rawValue)) }
        for (name, bytes) in files { try writeFile(self.file(name), bytes) }
    }
}

func readFile(_ path: String) throws -> [UInt8] {
    guard let file = unsafe fopen(path, "r") else { throw TestFailure("cannot read \(path): errno \(errno)") }
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = unsafe fread(&buffer, 1, buffer.count, file)
        if count == 0 { return bytes }
        bytes += buffer[..<count]
    }
}

func writeFile(_ path: String, _ bytes: [UInt8]) throws {
    guard let file = unsafe fopen(path, "w") else { throw TestFailure("cannot write \(path): errno \(errno)") }
    defer { unsafe fclose(file) }
    guard unsafe fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw TestFailure("short write to \(path)") }
}
