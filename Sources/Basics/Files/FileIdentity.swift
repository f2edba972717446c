import SystemPackage

/// Which file a descriptor has open, and in which state: equal for two paths of one file.
package struct FileIdentity: Hashable, Sendable {
  /// The device that the file is on.
  package let device: UInt64
  /// The file's number on the device.
  package let inode: UInt64
  /// The file's length in bytes.
  package let byteCount: Int
  /// The time of the last change to its contents: whole seconds since 1970.
  package let modifiedSeconds: Int
  /// The nanoseconds of that second.
  package let modifiedNanoseconds: Int

  package init(_ stat: Stat) {
    device = UInt64(truncatingIfNeeded: stat.deviceID.rawValue)
    inode = UInt64(truncatingIfNeeded: stat.inode.rawValue)
    byteCount = Int(stat.size)
    modifiedSeconds = stat.st_mtim.tv_sec
    modifiedNanoseconds = stat.st_mtim.tv_nsec
  }

  /// Of what is on no disk.
  init(byteCountInMemory byteCount: Int) {
    (device, inode, self.byteCount, modifiedSeconds, modifiedNanoseconds) = (0, 0, byteCount, 0, 0)
  }

  /// The time of the last change as a text, `1700000000.000000001`.
  package var modifiedText: String {
    let digits = String(modifiedNanoseconds)
    return "\(modifiedSeconds)." + String(repeating: "0", count: max(0, 9 - digits.count)) + digits
  }
}
