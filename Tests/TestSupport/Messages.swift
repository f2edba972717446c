/// The message of the error that `body` throws; empty if it throws none.
package func message<Value>(_ body: () throws -> Value) -> String {
  do {
    _ = try body()
    return ""
  } catch {
    return String(describing: error)
  }
}
