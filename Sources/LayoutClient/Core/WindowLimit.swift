import Synchronization

/// How far an offset window reaches into its file, for all threads.
///
/// Set before the window is granted. While a thread holds a pin on the granted window the file does not become shorter
/// inside it, because that would have recalled it; so what is read here under the pin is safe to touch up to.
final class WindowLimit: Sendable {
    private let value = Atomic<UInt64>(0)

    var current: UInt64 {
        get { self.value.load(ordering: .acquiring) }
        set { self.value.store(newValue, ordering: .releasing) }
    }
}
