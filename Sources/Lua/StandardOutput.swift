import CLuaBridge
import SystemPackage

/// Standard output, to which scripts and the program print.
package enum StandardOutput {
  /// Writes what is buffered; the reason, if not all that was printed could be written.
  package static func flush() -> Errno? {
    let reason = bridge_flush_output()
    return reason == 0 ? nil : Errno(rawValue: reason)
  }
}
