import LayoutCore
import LayoutHolder
import LayoutXDR
import LinuxFiles
import MappedWindows
import NIOCore

/// A window of a file, as the event loop sees it.
final class WindowCore {
    let id: LayoutHolder.WindowID
    /// What it was made to show.
    let place: LayoutHolder.Window
    /// The address space; `nil` for a claim, which only makes sure that a layout is held.
    let window: Window?
    var ioMode: IOMode { self.place.ioMode }
    var followsContent: Bool { if case .content = self.place.place { true } else { false } }
    /// The description whose pages it maps, or mapped last.
    var source: SharedDescriptor?
    /// What was mapped from it.
    var segments: [LayoutHolder.Segment] = []
    /// Why it was given up; `nil` while it was not.
    var failure: LayoutStatus?
    /// Access is to end as soon as the last pin has gone.
    var isDraining = false
    /// It is to be released when nobody uses it any more.
    var isRemoved = false
    /// Whether it is accessible, as far as this side has made it so.
    var isOpen = false
    /// How often access was taken back.
    var revocations = 0
    /// Which of ``FileCore/endings`` was its last; 0 for none.
    var lastEnding: UInt64 = 0
    /// Why it could not be mapped, for the message.
    var mapError: WindowError?
    /// The file offset that a granted offset window ends at: its own end, or that of the file.
    let limit = WindowLimit()
    /// Who waits for access.
    var waiters: [Waiter] = []

    struct Waiter {
        var id: UInt64
        var timer: Scheduled<Void>
        var completion: (Result<Void, Failure>) -> Void
    }

    init(id: LayoutHolder.WindowID, place: LayoutHolder.Window, window: Window?) {
        self.id = id
        self.place = place
        self.window = window
    }

    /// Tells those who wait.
    func tellWaiters(_ result: Result<Void, Failure>) {
        let waiters = self.waiters
        self.waiters = []
        for waiter in waiters {
            waiter.timer.cancel()
            waiter.completion(result)
        }
    }
}
