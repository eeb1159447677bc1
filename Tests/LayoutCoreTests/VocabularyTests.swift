import Foundation
import LayoutCore
import Testing

/// The names and numbers that Swift and `Protocol/layout.x` share.
@Suite struct VocabularyTests {
    /// The constants of an enum of `layout.x`, without their prefix.
    private static func constants(of name: String) throws -> [String: UInt32] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Protocol/layout.x")
        let text = try String(contentsOf: file, encoding: .utf8)
        let start = try #require(text.range(of: "enum \(name) {"), "layout.x has no enum \(name)")
        let end = try #require(text.range(of: "};", range: start.upperBound..<text.endIndex))
        var constants: [String: UInt32] = [:]
        for line in text[start.upperBound..<end.lowerBound].split(separator: "\n") {
            let words = line.split { " =,".contains($0) }
            guard words.count >= 2, words[0].hasPrefix("LL_"), let value = UInt32(words[1]) else { continue }
            constants[String(words[0].dropFirst(3))] = value
        }
        return constants
    }

    @Test func statusesHaveTheProtocolsNames() throws {
        let constants = try Self.constants(of: "ll_stat")
        #expect(constants.count > 50)
        // No call is answered with BACK_CHAN_BUSY; the number is taken so that it is not used for anything else.
        for (name, number) in constants where name != "BACK_CHAN_BUSY" {
            #expect("\(LayoutStatus(rawValue: number))" == name)
        }
    }

    @Test func unknownStatusesShowTheirNumber() {
        #expect("\(LayoutStatus(rawValue: 31_337))" == "status 31337")
        #expect(LayoutStatus(rawValue: 31_337) != .ok)
    }

    @Test func statusesHaveTheProtocolsNumbers() throws {
        let constants = try Self.constants(of: "ll_stat")
        for (status, name) in [
            (LayoutStatus.ok, "OK"), (.notPermitted, "PERM"), (.noEntry, "NOENT"), (.ioError, "IO"),
            (.access, "ACCESS"), (.exists, "EXIST"), (.invalid, "INVAL"), (.quota, "DQUOT"), (.stale, "STALE"),
            (.notSupported, "NOTSUPP"), (.delay, "DELAY"), (.expired, "EXPIRED"), (.grace, "GRACE"),
            (.oldStateID, "OLD_STATEID"), (.badStateID, "BAD_STATEID"), (.noGrace, "NO_GRACE"),
            (.badIOMode, "BADIOMODE"), (.layoutUnavailable, "LAYOUTUNAVAILABLE"),
            (.noMatchingLayout, "NOMATCHING_LAYOUT"), (.recallConflict, "RECALLCONFLICT"),
            (.unknownLayoutType, "UNKNOWN_LAYOUTTYPE"), (.sequenceMisordered, "SEQ_MISORDERED"),
            (.falseRetry, "SEQ_FALSE_RETRY"), (.returnConflict, "RETURNCONFLICT"), (.textBusy, "TXTBSY"),
            (.noSuchAddress, "NXIO"), (.outcomeUnknown, "OUTCOME_UNKNOWN"), (.deadlock, "DEADLOCK"),
        ] {
            #expect(status.rawValue == constants[name], "\(name)")
        }
    }

    @Test func enumsHaveTheProtocolsNumbers() throws {
        let operations = try Self.constants(of: "ll_operation")
        #expect(Set(operations.values) == Set(MappingOperation.allCases.map(\.rawValue)))
        #expect(operations["OPERATION_INSERT_RANGE"] == MappingOperation.insertRange.rawValue)
        #expect(operations["OPERATION_COLLAPSE_RANGE"] == MappingOperation.collapseRange.rawValue)
        let modes = try Self.constants(of: "ll_iomode")
        #expect(
            modes == [
                "IOMODE_READ": IOMode.read.rawValue, "IOMODE_RW": IOMode.readWrite.rawValue,
                "IOMODE_ANY": IOModeSelector.any.rawValue,
            ]
        )
        let states = try Self.constants(of: "ll_extent_state")
        #expect(states == ["EXTENT_DATA": 0, "EXTENT_UNWRITTEN": 1, "EXTENT_HOLE": 2])
        #expect([ExtentState.data, .unwritten, .hole].map(\.rawValue) == [0, 1, 2])
        let reasons = try Self.constants(of: "ll_break_reason")
        #expect(reasons == ["BREAK_WRITE": BreakReason.write.rawValue, "BREAK_UNMAP": BreakReason.unmap.rawValue])
    }

    @Test func selectorsMatchWhatTheyName() {
        #expect(IOModeSelector.any.matches(.read) && IOModeSelector.any.matches(.readWrite))
        #expect(IOModeSelector.read.matches(.read) && !IOModeSelector.read.matches(.readWrite))
        #expect(IOModeSelector.readWrite.matches(.readWrite) && !IOModeSelector.readWrite.matches(.read))
    }

    @Test func onlyInsertAndCollapseShift() throws {
        let argument = try #require(ByteRange(4096, 12_288))
        for operation in MappingOperation.allCases {
            let change = MappingChange(
                file: FileID(1),
                operation: operation,
                argument: argument,
                affected: ByteRange(from: 4096),
                breaks: .everyone
            )
            switch operation {
            case .insertRange: #expect(change.shift == Shift(isInsert: true, offset: 4096, length: 8192))
            case .collapseRange: #expect(change.shift == Shift(isInsert: false, offset: 4096, length: 8192))
            default: #expect(change.shift == nil, "\(operation)")
            }
            #expect(change.reason == (operation == .write ? .write : .unmap), "\(operation)")
        }
        #expect(Set(MappingOperation.allCases.map(\.description)).count == MappingOperation.allCases.count)
    }
}
