import Glibc
import SystemPackage

/// The space that an output takes and that there was before its first file.
package struct DiskSpace {
  /// What messages call the directory.
  package let directory: FilePath
  package let needed: Int
  /// `nil` where the file system does not say.
  package let free: Int?

  package init(directory: FilePath, shownAs shown: FilePath? = nil, needed: Int) {
    self.directory = shown ?? directory
    self.needed = needed
    var status = statvfs()
    let result = directory.withPlatformString { statvfs($0, &status) }
    let (bytes, overflow) = status.f_bavail.multipliedReportingOverflow(by: status.f_frsize)
    free = result == 0 && status.f_blocks > 0 && !overflow ? Int(clamping: bytes) : nil
  }
}
