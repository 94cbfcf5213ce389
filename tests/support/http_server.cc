#include "support/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <stdexcept>

namespace stkit::test {
namespace {

int listen_on_loopback(uint16_t& port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener, 256) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("cannot listen on loopback");
  port = ntohs(address.sin_port);
  return listener;
}

bool send_all(int socket, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = send(socket, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void reset(int socket) {
  const linger hard{1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

// Until the client gives up, or the server is stopped (which shuts the socket down).
void hold(int socket) {
  char ignored[512];
  while (recv(socket, ignored, sizeof ignored, 0) > 0) {
  }
}

// Until it is all there, the client gives up, or the server is stopped.
void trickle(int socket, std::string_view rest) {
  constexpr int kPauseMs = 5;
  pollfd wait{socket, POLLRDHUP, 0};
  for (const char& c : rest)
    if (poll(&wait, 1, kPauseMs) != 0 || !send_all(socket, std::string_view(&c, 1))) return;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

SeenRequest parse_request(std::string_view text) {
  SeenRequest request;
  for (size_t line_start = 0; line_start < text.size();) {
    const size_t end = std::min(text.find("\r\n", line_start), text.size());
    const std::string_view line = text.substr(line_start, end - line_start);
    if (line_start == 0) {
      const size_t first = line.find(' '), last = line.rfind(' ');
      request.method = line.substr(0, first);
      request.target = line.substr(first + 1, last - first - 1);
    } else if (const size_t colon = line.find(": "); colon != std::string_view::npos) {
      request.headers[lower(std::string(line.substr(0, colon)))] = line.substr(colon + 2);
    }
    line_start = end + 2;
  }
  return request;
}

std::string head_of(const Answer& answer) {
  std::string head = fmt::format("HTTP/1.1 {} Answer\r\n", answer.status);
  for (const auto& [name, value] : answer.headers) head += fmt::format("{}: {}\r\n", name, value);
  if (answer.chunked)
    head += "Transfer-Encoding: chunked\r\n";
  else
    head +=
        fmt::format("Content-Length: {}\r\n", answer.content_length.value_or(answer.body.size()));
  return head + "\r\n";
}

std::string chunks_of(std::string_view body, bool whole) {
  std::string out;
  for (size_t at = 0; at < body.size(); at += 1000) {
    const std::string_view chunk = body.substr(at, 1000);
    out += fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
  }
  return whole ? out + "0\r\n\r\n" : out;
}

}  // namespace

std::string SeenRequest::header(std::string_view name) const {
  const auto found = headers.find(std::string(name));
  return found == headers.end() ? "" : found->second;
}

std::optional<std::pair<uint64_t, uint64_t>> SeenRequest::range() const {
  const std::string value = header("range");
  uint64_t first = 0, last = 0;
  const char* const end = value.data() + value.size();
  if (!value.starts_with("bytes=")) return std::nullopt;
  const auto [dash, error] = std::from_chars(value.data() + 6, end, first);
  if (error != std::errc() || dash == end || *dash != '-') return std::nullopt;
  if (std::from_chars(dash + 1, end, last).ec != std::errc()) last = ~uint64_t{0};
  return std::pair{first, last};
}

HttpServer::HttpServer(Handler handler, std::string host)
    : handler_(std::move(handler)), host_(std::move(host)) {
  listener_ = listen_on_loopback(port_);
  acceptor_ = std::thread([this] { accept_all(); });
}

HttpServer::~HttpServer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
  }
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
}

std::string HttpServer::url(std::string_view target) const {
  return fmt::format("http://{}:{}{}", host_, port_, target);
}

std::vector<SeenRequest> HttpServer::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

void HttpServer::clear_log() {
  const std::lock_guard lock(mutex_);
  log_.clear();
}

size_t HttpServer::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

void HttpServer::accept_all() {
  while (true) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (socket < 0 || stopping_) {
      if (socket >= 0) close(socket);
      if (stopping_) return;
      continue;
    }
    const int yes = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockets_.push_back(socket);
    ++connections_;
    threads_.emplace_back([this, socket] { serve(socket); });
  }
}

void HttpServer::serve(int socket) {
  std::string text;
  for (char buffer[4096];;) {
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) {
      const ssize_t count = recv(socket, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      text.append(buffer, static_cast<size_t>(count));
      continue;
    }
    const SeenRequest request = parse_request(std::string_view(text).substr(0, end));
    text.erase(0, end + 4);
    size_t index = 0;
    {
      const std::lock_guard lock(mutex_);
      index = log_.size();
      log_.push_back(request);
    }
    if (!answer(socket, request, index)) break;
  }
  const std::lock_guard lock(mutex_);
  std::erase(sockets_, socket);
  close(socket);
}

bool HttpServer::answer(int socket, const SeenRequest& request, size_t index) {
  const Answer answer = handler_(request);
  if (!answer.raw.empty()) {
    send_all(socket, answer.raw);
    if (answer.end == Answer::End::Hold) hold(socket);
    return false;
  }
  std::string_view body = answer.body;
  if (request.method == "HEAD") body = {};
  const bool cut = answer.cut_after && *answer.cut_after < body.size();
  if (cut) body = body.substr(0, *answer.cut_after);
  bool sent = send_all(socket, head_of(answer));
  sent =
      sent && (answer.chunked ? send_all(socket, chunks_of(body, !cut)) : send_all(socket, body));
  {
    const std::lock_guard lock(mutex_);
    if (index < log_.size()) log_[index].body_bytes_sent = body.size();
  }
  if (answer.end == Answer::End::Hold) hold(socket);
  if (answer.end == Answer::End::Trickle)
    trickle(socket, std::string_view(answer.body).substr(body.size()));
  if (answer.end == Answer::End::Reset) reset(socket);
  return sent && !cut && answer.end == Answer::End::KeepAlive;
}

Answer serve_content(const SeenRequest& request, std::string_view content, std::string etag) {
  Answer answer;
  answer.headers.emplace_back("Accept-Ranges", "bytes");
  if (!etag.empty()) answer.headers.emplace_back("ETag", fmt::format("\"{}\"", etag));
  const auto range = request.range();
  if (!range) {
    answer.body = content;
    return answer;
  }
  if (range->first >= content.size()) {
    answer.status = 416;
    answer.headers.emplace_back("Content-Range", fmt::format("bytes */{}", content.size()));
    return answer;
  }
  const uint64_t last = std::min<uint64_t>(range->second, content.size() - 1);
  answer.status = 206;
  answer.headers.emplace_back("Content-Range",
                              fmt::format("bytes {}-{}/{}", range->first, last, content.size()));
  answer.body = content.substr(range->first, last - range->first + 1);
  return answer;
}

uint16_t closed_port() {
  uint16_t port = 0;
  close(listen_on_loopback(port));
  return port;
}

}  // namespace stkit::test
