package import LayoutCore
package import Recovery

extension LeaseEngine {
    /// What a holder holds, as it is kept for the next life.
    package struct HolderRecord: Hashable, Sendable {
        package var holder: HolderID
        package var client: ClientID
        package var file: FileID
        package var seqid: UInt32
        /// Disjoint, in order; empty: the holder is gone.
        package var segments: [StoredSegment]
    }

    /// A holder of an earlier life.
    package struct RecoveredHolder: Hashable, Sendable {
        package var id: HolderID
        package var file: FileID
        package var seqid: UInt32
        /// Disjoint, in order, at least one.
        package var segments: [StoredSegment]

        package init(id: HolderID, file: FileID, seqid: UInt32, segments: [StoredSegment]) {
            self.id = id
            self.file = file
            self.seqid = seqid
            self.segments = segments
        }
    }

    /// A client of an earlier life, with or without holders.
    package struct RecoveredClient: Hashable, Sendable {
        package var id: ClientID
        /// At most one for each file.
        package var holders: [RecoveredHolder]

        package init(id: ClientID, holders: [RecoveredHolder]) {
            self.id = id
            self.holders = holders
        }
    }

    /// A file whose epoch and shifts are known from an earlier life.
    package struct RecoveredFile: Hashable, Sendable {
        package var file: FileID
        package var epoch: UInt64
        /// The epoch before the oldest shift that is remembered.
        package var logStart: UInt64
        /// Oldest first.
        package var shifts: [LoggedShift]

        package init(file: FileID, epoch: UInt64, logStart: UInt64, shifts: [LoggedShift]) {
            self.file = file
            self.epoch = epoch
            self.logStart = logStart
            self.shifts = shifts
        }
    }

    /// What earlier lives have left to this one.
    package struct Recovered: Hashable, Sendable {
        package var clients: [RecoveredClient]
        package var files: [RecoveredFile]
        /// How long holders have to come back: at least as long as the longest lease that any of them was told.
        package var graceTerm: Duration

        package init(clients: [RecoveredClient] = [], files: [RecoveredFile] = [], graceTerm: Duration) {
            self.clients = clients
            self.files = files
            self.graceTerm = graceTerm
        }

        /// Why no engine can start from this, or `nil` if one can: what a damaged store may hold.
        package var defect: String? {
            var holders: Set<HolderID> = []
            var clients: Set<ClientID> = []
            for client in self.clients {
                guard clients.insert(client.id).inserted else { return "client \(client.id.rawValue) is there twice" }
                var files: Set<FileID> = []
                for holder in client.holders {
                    let name = "holder \(holder.id.rawValue) of client \(client.id.rawValue)"
                    guard holders.insert(holder.id).inserted else { return "\(name) is there twice" }
                    guard files.insert(holder.file).inserted else { return "\(name) is its second one of one file" }
                    if let defect = Self.defect(of: holder.segments) { return "\(name) \(defect)" }
                }
            }
            return nil
        }

        private static func defect(of segments: [StoredSegment]) -> String? {
            guard !segments.isEmpty else { return "holds nothing" }
            for (segment, next) in zip(segments, segments.dropFirst())
            where segment.range.upperBound > next.range.lowerBound {
                return "holds \(segment.range) and \(next.range)"
            }
            return nil
        }
    }
}
