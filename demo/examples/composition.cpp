// SPDX-License-Identifier: MIT
// Composition: a class has processes as members, and is torn down in order when it is destroyed.
// The root is the last member. It closes, with all that is below it, before the others go.

#include <GoProcess/Process>

#include <atomic>
#include <cstdio>
#include <thread>

using GoProcess::Process;
using namespace std::chrono_literals;

class Mail
{
public:
    Mail()
    {
        m_root.addChild(&m_store);
        m_root.addChild(&m_network);
        m_store.waitFor(&m_network); // which may have something to store until it is closed
        m_network.go([this](Process &self) { // on a thread pool, as a child of m_network
            do
                ++m_received;
            while (!self.waitForClosing(10ms));
        });
    }

private:
    std::atomic<int> m_received = 0;
    Process m_store { [this] {
        std::puts(m_received > 0 ? "store: saved" : "store: nothing to save");
    } };
    Process m_network { [] { std::puts("network: disconnected"); } };
    Process m_root { [] { std::puts("mail: closed"); } };
};

int main()
{
    {
        const Mail mail;
        std::this_thread::sleep_for(100ms); // a program would run its event loop
        std::puts("the user quits");
    }
    std::puts("mail: destroyed");
}
