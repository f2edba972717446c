import Glibc
import SystemPackage

/// The space that an output takes and that there was before its first file.
struct DiskSpace {
  let directory: FilePath
  let needed: Int
  /// `nil` where the file system does not say.
  let free: Int?

  init(directory: FilePath, needed: Int) {
    self.directory = directory
    self.needed = needed
    var status = statvfs()
    let result = directory.withPlatformString { statvfs($0, &status) }
    let (bytes, overflow) = status.f_bavail.multipliedReportingOverflow(by: status.f_frsize)
    free = result == 0 && status.f_blocks > 0 && !overflow ? Int(clamping: bytes) : nil
  }

  func diskFull(free: Int) -> CheckpointError {
    .diskFull(directory: directory, needed: needed, free: free)
  }
}
