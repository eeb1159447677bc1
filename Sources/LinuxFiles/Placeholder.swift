enum LinuxFilesPlaceholder {}
