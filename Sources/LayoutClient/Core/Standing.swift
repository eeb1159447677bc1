import LayoutCore

/// How a client stands with the server: what it holds, and whether it may be used (R6.5-12, R8.1-2).
enum Standing: Hashable, Sendable {
    /// There was no session yet, or the client is being closed. Next: `owing`.
    case none
    /// What is held may be used until the own deadline. Next: `suspended`, `reclaiming`, `owing`.
    case inForce
    /// The own deadline has passed while the server was down: nothing may be used, and what is held stays held, as a dead
    /// server gives it to nobody. Next: `inForce`, `reclaiming`, `owing`.
    case suspended
    /// The server has restarted, and what is held is being reclaimed. Next: `inForce`, `suspended`, `owing`.
    case reclaiming(Reclaim)
    /// What was held is void; the server may still believe otherwise. Next: `inForce`, `reclaiming`.
    case owing(Debt)

    /// A reclaim of everything that is held.
    struct Reclaim: Hashable, Sendable {
        /// Whether windows stay accessible: until the own deadline, which no call moves before all is reclaimed.
        var isUsable: Bool
        /// Files that have a reclaim without an answer.
        var pending = 0
        /// RECLAIM_COMPLETE is under way.
        var isCompleting = false
        /// When the latest call was sent that renews the lease once all is reclaimed.
        var renewal: Instant?
        /// Layouts were revoked: everything is void after all.
        var isRevoked = false
    }

    /// What the server may still believe to be held.
    enum Debt: Hashable, Sendable {
        /// LAYOUTRETURN ALL is to be sent. Next: `sent`.
        case owed
        /// It was sent; `again` if LAYOUTGETs were under way, which could be granted behind it. Next: `owed`, `paid`.
        case sent(again: Bool)
        /// The server knows that nothing is held; the lease is still to be renewed.
        case paid
    }

    /// Whether what is held may be used.
    var isUsable: Bool {
        switch self {
        case .inForce: true
        case .reclaiming(let reclaim): reclaim.isUsable
        case .none, .suspended, .owing: false
        }
    }

    /// Whether the files hold anything that counts.
    var holds: Bool {
        switch self {
        case .inForce, .suspended, .reclaiming: true
        case .none, .owing: false
        }
    }

    /// Whether files may give back what the two sides do not agree about.
    var allowsReturns: Bool {
        switch self {
        case .inForce, .suspended: true
        case .none, .reclaiming, .owing: false
        }
    }
}
