import Basics
import SystemPackage

/// What a staging directory says of its output once that is whole. Outputs that appear together have a leader,
/// whose record counts for all.
struct CommitRecord: Equatable, Sendable {
  var installation: Installation
  /// The staging directory of the leader; `nil` for the leader.
  var leader: FilePath?
  /// The staging directories of the other outputs, for the leader.
  var members: [FilePath] = []

  func write(isDurable: Bool) throws(Errno) {
    try DirectoryFiles.writeWhole(
      json.utf8(.pretty, trailingNewline: true),
      to: StagingDirectory.record(in: installation.staging), isDurable: isDurable)
  }

  /// What a staging directory has of a record.
  enum Found {
    case none
    case record(CommitRecord)
    /// Something that is none.
    case unreadable
  }

  static func find(in staging: FilePath) throws(Errno) -> Found {
    let path = StagingDirectory.record(in: staging)
    guard try DirectoryFiles.isPresent(path) else { return .none }
    let bytes: [UInt8]
    do { bytes = try fileContents(path) } catch {
      // What cannot be read now may be read later.
      if case FileError.system(_, _, let error) = error { throw error }
      return .unreadable
    }
    guard let json = try? JSON(parsing: bytes), let record = CommitRecord(json) else { return .unreadable }
    return .record(record)
  }
}

// MARK: The file

extension CommitRecord {
  private static let version = 1

  init?(_ json: JSON) {
    guard json["version"]?.intValue == Self.version, let installation = Installation(json) else { return nil }
    self.installation = installation
    if let path = json["leader"] {
      guard let leader = FilePath(path) else { return nil }
      self.leader = leader
    }
    members = (json["members"]?.arrayValue ?? []).compactMap { FilePath($0) }
  }

  var json: JSON {
    var fields = installation.fields
    fields["version"] = JSON(Self.version)
    if let leader { fields["leader"] = JSON(leader) }
    fields["members"] = .array(members.map { JSON($0) })
    return .object(fields)
  }
}

extension Installation {
  fileprivate init?(_ json: JSON) {
    guard let target = json["target"].flatMap({ FilePath($0) }),
      let staging = json["staging"].flatMap({ FilePath($0) }),
      let mode = (json["mode"]?.stringValue).flatMap(Mode.init)
    else { return nil }
    self.init(target: target, staging: staging, mode: mode)
    if let identity = json["identity"] {
      guard let identity = DirectoryIdentity(identity) else { return nil }
      self.identity = identity
    }
    displacesAll = json["displaces_all"] == .bool(true)
    aside = json["aside"].flatMap { FilePath($0) }
    for step in json["steps"]?.arrayValue ?? [] {
      if let path = step["displace"].flatMap({ FilePath($0) }) {
        steps.append(.displace(path))
      } else if let path = step["install"].flatMap({ FilePath($0) }) {
        steps.append(.install(path))
      } else if let path = step["overwrite"].flatMap({ FilePath($0) }) {
        steps.append(.overwrite(path))
      } else {
        return nil
      }
    }
    guard mode == .fill || identity != nil else { return nil }
  }

  fileprivate var fields: JSONObject {
    var fields: JSONObject = [
      "target": JSON(target), "staging": JSON(staging), "mode": .string(mode.rawValue),
      "displaces_all": .bool(displacesAll),
      "steps": .array(
        steps.map { step in
          switch step {
          case .displace(let path): .object(["displace": JSON(path)])
          case .install(let path): .object(["install": JSON(path)])
          case .overwrite(let path): .object(["overwrite": JSON(path)])
          }
        }),
    ]
    if let identity { fields["identity"] = identity.json }
    if let aside { fields["aside"] = JSON(aside) }
    return fields
  }
}

extension DirectoryIdentity {
  fileprivate init?(_ json: JSON) {
    guard let device = (json["device"]?.stringValue).flatMap({ UInt64($0) }),
      let inode = (json["inode"]?.stringValue).flatMap({ UInt64($0) })
    else { return nil }
    let files = (json["files"]?.arrayValue ?? []).compactMap { file -> File? in
      guard let path = file["path"].flatMap({ FilePath($0) }), let bytes = file["bytes"]?.intValue,
        let modified = file["modified"]?.stringValue
      else { return nil }
      return File(path: path, bytes: bytes, modified: modified)
    }
    self.init(device: device, inode: inode, files: files)
  }

  fileprivate var json: JSON {
    .object([
      "device": .string(String(device)), "inode": .string(String(inode)),
      "files": .array(
        files.map {
          .object(["path": JSON($0.path), "bytes": JSON($0.bytes), "modified": .string($0.modified)])
        }),
    ])
  }
}

extension JSON {
  /// A path: its text, or its bytes where they are none.
  fileprivate init(_ path: FilePath) {
    if let text = String(validating: path) {
      self = .string(text)
    } else {
      self = path.withPlatformString { start in
        var bytes: [JSON] = []
        var next = start
        while next.pointee != 0 {
          bytes.append(JSON(Int(UInt8(bitPattern: next.pointee))))
          next += 1
        }
        return .array(bytes)
      }
    }
  }
}

extension FilePath {
  /// `nil` if a value is no path.
  fileprivate init?(_ json: JSON) {
    if let text = json.stringValue {
      self.init(text)
    } else if let bytes = json.arrayValue {
      let units = bytes.compactMap(\.intValue).compactMap { UInt8(exactly: $0) }
      guard units.count == bytes.count, !units.contains(0) else { return nil }
      self = (units.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer {
        FilePath(platformString: $0.baseAddress!)
      }
    } else {
      return nil
    }
    if isEmpty { return nil }
  }
}
