import LayoutCore
import LayoutSimulation
import LinuxFiles
import Recovery
import RecoveryScript
import TestSupport
import Testing

@testable import SQLiteStore

/// A store's files are cut, flipped, lost and replaced; what comes back is all that was answered for, or a refusal.
@Suite struct DamageTests {
    /// A store as a killed server leaves it: some of it in the database, some only in the log.
    private struct Victim {
        let state: State
        /// The files after each stage; the last is what the server left.
        var stages: [[String: [UInt8]]] = []
        var expected = RecoveredState()
        var files: [String: [UInt8]] { self.stages.last ?? [:] }
        /// The files after an orderly end: no log, all is in the database.
        var closed: [String: [UInt8]] = [:]

        init() throws {
            self.state = try State()
            var script = RecoveryScript(seed: 11)
            for _ in 0..<2 {
                let store = try self.state.open()
                for write in script.next(30) {
                    try store.write(write.records, write.durability)
                    for record in write.records { self.expected.apply(record) }
                }
                self.stages.append(try self.state.snapshot())
                store.close()
            }
            self.closed = try self.state.snapshot()
        }

        /// Puts the files in place, and says how they were refused; `nil` if they were not, and nothing was missing.
        func refusal(of files: [String: [UInt8]], _ comment: Comment) throws -> RecoveryStoreError? {
            try self.state.restore(files)
            do throws(RecoveryStoreError) {
                let found = try self.state.load()
                #expect(found == self.expected, comment)
                return nil
            } catch {
                #expect(error.message.contains(self.state.path) && error.message.contains("; "), comment)
                return error
            }
        }
    }

    @Test("the undamaged files are good, so that a refusal means something")
    func undamaged() throws {
        let victim = try Victim()
        #expect(victim.expected.holders.count > 3)
        #expect((victim.files["recovery.sqlite-wal"]?.count ?? 0) > 20 * 4096)
        #expect((victim.files["recovery.sqlite"]?.count ?? 0) > 10 * 4096)
        #expect(try victim.refusal(of: victim.files, "undamaged") == nil)
        #expect(victim.closed["recovery.sqlite-wal"] == nil)
        #expect(try victim.refusal(of: victim.closed, "undamaged") == nil)
    }

    @Test(
        "D7: a file that is cut off anywhere never leads to fewer holders",
        arguments: ["recovery.sqlite", "recovery.sqlite-wal", "last-write"]
    )
    func cut(_ name: String) throws {
        let victim = try Victim()
        // What the log holds is not needed in the database.
        let undamaged = name == "recovery.sqlite" ? victim.closed : victim.files
        let whole = try #require(undamaged[name])
        let page = name == "last-write" ? 1 : name == "recovery.sqlite" ? 4096 : 4096 + 24
        // At every page, a little before and after it.
        var lengths = stride(from: 0, to: whole.count, by: page).flatMap { [$0 - 1, $0, $0 + 33] }
        lengths = Set(lengths.filter { $0 >= 0 && $0 < whole.count }).sorted()
        for length in lengths {
            var files = undamaged
            files[name] = Array(whole[..<length])
            #expect(try victim.refusal(of: files, "\(name) cut to \(length)") != nil, "\(name) cut to \(length)")
        }
    }

    @Test("D7: a file that is lost, or comes from an older copy, never leads to fewer holders")
    func lost() throws {
        let victim = try Victim()
        let names = ["recovery.sqlite", "recovery.sqlite-wal", "last-write"]
        for choice in 1..<8 {
            var (missing, old, swapped) = (victim.files, victim.files, victim.files)
            let chosen = names.indices.filter { choice & 1 << $0 != 0 }.map { names[$0] }
            for name in chosen {
                missing[name] = nil
                old[name] = victim.stages[0][name]
                swapped[name] = []
            }
            // Together with its note an older copy is the store of then: that is the operator's doing. The note alone asks for
            // less than there is.
            if !chosen.contains("last-write") || choice == 4 {
                #expect(try (victim.refusal(of: old, "old \(chosen)") == nil) == (choice == 4), "old \(chosen)")
            }
            // Without any file it is a first start.
            if choice < 7 {
                #expect(try victim.refusal(of: missing, "missing \(chosen)")?.code == .damaged, "missing \(chosen)")
            }
            #expect(try victim.refusal(of: swapped, "empty \(chosen)")?.code == .damaged, "empty \(chosen)")
        }
    }

    @Test(
        "D7: flipped bytes never lead to fewer holders, or to other ones",
        arguments: [("recovery.sqlite", 1000), ("recovery.sqlite-wal", 1000), ("last-write", 76)]
    )
    func flips(_ name: String, _ count: Int) throws {
        let victim = try Victim()
        let undamaged = name == "recovery.sqlite" ? victim.closed : victim.files
        let whole = try #require(undamaged[name])
        var random = SeededGenerator(seed: 23)
        var refused = 0
        for number in 0..<count {
            var bytes = whole
            // All of a short file and the beginning of a long one; then anywhere.
            let position = number < 120 ? number % bytes.count : Int.random(in: 0..<bytes.count, using: &random)
            let flip = number < 120 ? UInt8(1) << (number % 8) : UInt8.random(in: 1...255, using: &random)
            bytes[position] ^= flip
            var files = undamaged
            files[name] = bytes
            if try victim.refusal(of: files, "\(name) byte \(position) ^ \(flip)") != nil { refused += 1 }
        }
        // Most of a page is free space, which means nothing; of the note every byte counts.
        #expect(name == "last-write" ? refused == count : refused > count / 20, "\(refused) of \(count)")
    }

    @Test("D7: a page that is whole, but older than the others, is noticed")
    func stalePages() throws {
        let victim = try Victim()
        let now = try #require(victim.closed["recovery.sqlite"])
        try victim.state.restore(victim.stages[0])
        try victim.state.open().close()
        let then = try readFile(victim.state.file("recovery.sqlite"))
        var (different, refused) = (0, 0)
        for start in stride(from: 0, to: min(now.count, then.count), by: 4096) {
            let page = start..<start + 4096
            guard now[page] != then[page] else { continue }
            different += 1
            var files = victim.closed
            files["recovery.sqlite"]?.replaceSubrange(page, with: then[page])
            if try victim.refusal(of: files, "page at \(start)") != nil { refused += 1 }
        }
        // In a page of a table that was empty then and is again, only free space differs.
        #expect(different > 5 && refused >= different - 2)
    }

    @Test("after a power cut only what was synced has to be there")
    func powerCut() throws {
        let victim = try Victim()
        let whole = try #require(LastWrite(victim.files["last-write"] ?? []))
        #expect(whole.synced > 0 && whole.sequence > whole.synced)
        // The note reached the disk, and some of what it speaks of did not.
        var note = LastWrite(hostBoot: "00000000-0000-0000-0000-000000000000")
        note.sequence = whole.sequence + 5
        var files = victim.files
        for (synced, isGood) in [(whole.sequence, true), (whole.sequence + 1, false)] {
            note.synced = synced
            files["last-write"] = note.bytes
            #expect(try (victim.refusal(of: files, "\(synced) synced") == nil) == isGood)
        }
        // In the same boot nothing but damage can lose what was written.
        note.hostBoot = try Host.bootID()
        files["last-write"] = note.bytes
        #expect(try victim.refusal(of: files, "the same boot")?.code == .damaged)
    }
}
