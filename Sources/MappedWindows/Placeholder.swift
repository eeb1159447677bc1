enum MappedWindowsPlaceholder {}
