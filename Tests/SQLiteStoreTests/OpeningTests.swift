import Glibc
import LayoutCore
import LinuxFiles
import Recovery
import RecoveryScript
import TestSupport
import Testing

@testable import SQLiteStore

@Suite struct OpeningTests {
    private let record = RecoveryRecord.holder(
        StoredHolder(number: 9, client: ClientID(1), file: .root, seqid: 1, segments: [], locks: [3])
    )

    @Test(
        "a directory that is missing or empty is a first start; what is made is for its owner alone",
        arguments: [false, true]
    )
    func firstStart(_ isThere: Bool) throws {
        let state = try State()
        if isThere { try mustRun("mkdir", [state.path]) }
        #expect(try state.load() == RecoveredState())
        let store = try state.open()
        try store.write([self.record], .written)
        #expect(try store.load() == RecoveredState([self.record]))
        var modes = [
            "recovery.sqlite": UInt32(0o600), "recovery.sqlite-wal": 0o600, "last-write": 0o600, "lock": 0o600,
        ]
        if !isThere { modes["."] = 0o700 }
        let root = try ExportRoot(path: state.path)
        for (name, mode) in modes {
            #expect(try FileFacts(of: root.resolve(Array(name.utf8))).mode == mode, "\(name)")
        }
    }

    @Test("D7: a store of another export is refused, and left as it is")
    func foreign() throws {
        let state = try State()
        let store = try state.open()
        try store.write([self.record], .synced)
        store.close()
        var other = RecoveryScript.identity
        other.exportGeneration += 1
        let error = #expect(throws: RecoveryStoreError.self) { try state.open(identity: other) }
        #expect(error?.code == .foreign)
        self.expectRemedy(error, state)
        #expect(try state.load() == RecoveredState([self.record]))
    }

    @Test("D7: a store of another version is refused", arguments: [UInt8(0), 1, 200])
    func version(_ version: UInt8) throws {
        let state = try State()
        let store = try state.open()
        try store.write([self.record], .written)
        store.close()
        var bytes = try readFile(state.file("recovery.sqlite"))
        // "The user version", the file format says: 4 bytes at offset 60.
        #expect(Array(bytes[60..<64]) == [0, 0, 0, 2])
        bytes[63] = version
        try writeFile(state.file("recovery.sqlite"), bytes)
        let error = state.refusal()
        #expect(error?.code == .wrongVersion)
        #expect(error?.message.contains("version \(version)") == true)
        self.expectRemedy(error, state)
    }

    @Test("D7: what is no database, or another program's, is refused", arguments: ["text", "SQLite", "empty", "gone"])
    func noDatabase(_ kind: String) throws {
        let state = try State()
        let store = try state.open()
        try store.write([self.record], .written)
        store.close()
        let database = state.file("recovery.sqlite")
        switch kind {
        case "text": try writeFile(database, Array("holders: none\n".utf8))
        case "SQLite":
            // "Application ID": 4 bytes at offset 68.
            var bytes = try readFile(database)
            bytes[68] ^= 1
            try writeFile(database, bytes)
        case "empty": try writeFile(database, [])
        default: try mustRun("rm", [database])
        }
        let error = state.refusal()
        #expect(error?.code == .damaged)
        self.expectRemedy(error, state)
        // Looking at it has not made it a new store.
        #expect(state.refusal()?.code == .damaged)
    }

    @Test("a directory with other files is not taken for a state directory")
    func strangers() throws {
        let state = try State()
        try mustRun("mkdir", [state.path])
        try writeFile(state.file("notes"), [1])
        let error = state.refusal()
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("'notes'") == true)
    }

    @Test("a second server is refused, and the first goes on")
    func exclusive() throws {
        let state = try State()
        let store = try state.open()
        let error = state.refusal()
        #expect(error?.code == .inUse)
        #expect(error?.message.contains("stop it first") == true)
        #expect(state.refusal(.newState)?.code == .inUse)
        try store.write([self.record], .synced)
        store.close()
        #expect(throws: RecoveryStoreError.self) { try store.write([self.record], .synced) }
        #expect(throws: RecoveryStoreError.self) { try store.load() }
        #expect(try state.load() == RecoveredState([self.record]))
    }

    @Test("D7: a new state keeps the damaged one aside, as often as it is asked for")
    func newState() throws {
        let state = try State()
        let store = try state.open(.newState)
        #expect(store.setAside == nil)
        try store.write([self.record], .written)
        store.close()
        var damaged = try readFile(state.file("recovery.sqlite"))
        damaged[0] ^= 0xff
        for number in 1...3 {
            try writeFile(state.file("recovery.sqlite"), damaged)
            #expect(state.refusal() != nil)
            let fresh = try state.open(.newState)
            #expect(fresh.setAside == state.file("set-aside-\(number)"))
            #expect(try readFile(state.file("set-aside-\(number)/recovery.sqlite")) == damaged)
            #expect(try fresh.load() == RecoveredState())
            try fresh.write([self.record], .written)
            fresh.close()
            #expect(try state.load() == RecoveredState([self.record]))
        }
    }

    @Test("a store whose making was interrupted anywhere is made again")
    func interruptedCreation() throws {
        let state = try State()
        let store = try state.open()
        // As it was before the note that it is made.
        var files = try state.snapshot()
        store.close()
        files["last-write"] = LastWrite(hostBoot: try Host.bootID()).bytes
        let cut = files
        for missing in [[], ["recovery.sqlite"], ["recovery.sqlite-wal"], ["recovery.sqlite", "recovery.sqlite-wal"]] {
            files = cut
            for name in missing { files[name] = nil }
            try state.restore(files)
            #expect(try state.load() == RecoveredState())
        }
        files = cut
        files["recovery.sqlite"] = []
        try state.restore(files)
        #expect(try state.load() == RecoveredState())
    }

    private func expectRemedy(_ error: RecoveryStoreError?, _ state: State) {
        #expect(error?.message.contains("'\(state.file("recovery.sqlite"))'") == true)
        #expect(error?.message.contains("--new-state") == true)
    }
}
